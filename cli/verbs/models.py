"""`scanmill models`: `list`, taking models in (`cli.models_add`), and the verbs on versions (`cli.model_verbs`)."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.table import Table

from cli import model_verbs, models_add, output
from cli.output import Exit, Json
from cli.packs import PackedModel, PackSettings, models

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Show, take in, verify, promote and roll back models."""


app.command("add")(models_add.add)


@app.command("list")
def show(as_json: Json = False) -> None:
    """List the models of SCANMILL_MODEL_PACKS; fails when a file is missing or is not what its manifest says."""
    with output.exits(as_json):
        try:
            found = models(PackSettings())
        except (OSError, ValueError, KeyError) as error:
            output.fail(Exit.FAILED, f"a manifest cannot be read: {error}", as_json)
        output.emit([asdict(model) for model in found], as_json, lambda: output.console.print(_table(found)))
    if any(model.state != "ok" for model in found):
        raise typer.Exit(int(Exit.FAILED))


model_verbs.attach(app)


def _table(found: list[PackedModel]) -> Table:
    table = Table(
        "model", "version", "pack", "runtime", "file", "SHA-256", "licence", "state", box=None, pad_edge=False
    )
    for model in found:
        state = model.state if model.state == "ok" else f"[bold red]{model.state}[/bold red]"
        sha = model.sha256[:12]
        table.add_row(model.name, model.version, model.pack, model.runtime, model.file, sha, model.licence, state)
    return table
