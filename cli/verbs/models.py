"""`scanmill models`: `list`, `card` and `fetch`; taking models in (`cli.models_add`); the verbs on versions (`cli.model_verbs`)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from cli import fetching, model_verbs, models_add, output, packs
from cli.output import Exit, Json
from cli.packs import PackedModel, PackSettings, models

app = typer.Typer(no_args_is_help=True)
_LICENCE = 18  # characters; --json and the manifest have all of it
Packs = Annotated[list[str] | None, typer.Option("--pack", help="Another pack; may be given more than once.")]


@app.callback()
def group() -> None:
    """Show, fetch, take in, verify, promote and roll back models."""


@app.command("list")
def show(pack: Packs = None, as_json: Json = False) -> None:
    """List the models of SCANMILL_MODEL_PACKS; fails when a file is missing or is not what its manifest says."""
    with output.exits(as_json):
        settings = PackSettings()
        try:
            found = models(settings.model_copy(update={"packs": ",".join(pack)}) if pack else settings)
        except (OSError, ValueError, KeyError) as error:
            output.fail(Exit.FAILED, f"a manifest cannot be read: {error}", as_json)
        output.emit([asdict(model) for model in found], as_json, lambda: output.console.print(_table(found)))
    if any(model.state != "ok" for model in found):
        raise typer.Exit(int(Exit.FAILED))


@app.command()
def card(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model's name, as in `models list`.")],
    pack: Packs = None,
    as_json: Json = False,
) -> None:
    """Print a model's card: what it is for, what it scored and where it does worse. Markdown, on standard output."""
    with output.exits(as_json):
        settings = PackSettings()
        try:
            found = packs.card(settings.model_copy(update={"packs": ",".join(pack)}) if pack else settings, name)
        except (OSError, ValueError) as error:
            output.fail(Exit.FAILED, f"a manifest or card cannot be read: {error}", as_json)
        if found is None or not found.card:
            missing = "is in no chosen pack" if found is None else f"has no card in the pack {found.pack}"
            output.fail(Exit.NOT_ANSWERED, f"{name} {missing}", as_json)
        output.emit(asdict(found), as_json, lambda: typer.echo(found.card))


app.command("fetch")(fetching.fetch)
app.command("add")(models_add.add)
model_verbs.attach(app)


def _table(found: list[PackedModel]) -> Table:
    table = Table(
        "model", "version", "pack", "runtime", "file", "size", "SHA-256", "licence", "state", box=None, pad_edge=False
    )
    for model in found:
        state = model.state if model.state == "ok" else f"[bold red]{model.state}[/bold red]"
        sha, size = model.sha256[:12], f"{model.bytes / 1e6:.1f} MB" if model.bytes else ""
        licence = model.licence if len(model.licence) <= _LICENCE else f"{model.licence[: _LICENCE - 1]}…"
        table.add_row(model.name, model.version, model.pack, model.runtime, model.file, size, sha, licence, state)
    return table
