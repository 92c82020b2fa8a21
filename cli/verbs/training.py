"""`scanmill training …`: the service's trainings, over HTTP. `scanmill train --remote` asks for one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli import output, training_view
from cli.client_errors import NotThatFile
from cli.connection import connect
from cli.output import Exit, Json
from cli.training_follow import follow

app = typer.Typer(no_args_is_help=True)
Id = Annotated[str, typer.Argument(metavar="ID")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow it until it is over.")]


@app.callback()
def group() -> None:
    """Show, follow, cancel and resume the service's trainings."""


@app.command("recipes")
def recipes(as_json: Json = False) -> None:
    """List what can be trained."""
    with output.exits(as_json), connect() as client:
        found = client.recipes()
    table = Table("recipe", "what it makes", box=None, pad_edge=False)
    for each in found:
        table.add_row(each["name"], each["about"])
    output.emit(found, as_json, lambda: output.console.print(table))


@app.command("list")
def show_all(
    state: Annotated[str | None, typer.Option(help="Only those in this state.")] = None, as_json: Json = False
) -> None:
    """List the newest trainings."""
    with output.exits(as_json), connect() as client:
        found = client.trainings(state=state)
    output.emit(found, as_json, lambda: output.console.print(training_view.table(found)))


@app.command("status")
def status(training_id: Id, wait: Wait = False, as_json: Json = False) -> None:
    """Show a training; the exit code says how it ended (0 while it is under way)."""
    _act(training_id, None, wait, as_json)


@app.command("cancel")
def cancel(training_id: Id, wait: Wait = False, as_json: Json = False) -> None:
    """Cancel a training for good; its checkpoint stays, so that it can be resumed."""
    with output.exits(as_json), connect() as client:
        found = client.training(training_id, "cancel")
        if wait:
            found = follow(client, found, as_json)
    output.emit(found, as_json, lambda: training_view.summary(found))


@app.command("resume")
def resume(training_id: Id, wait: Wait = False, as_json: Json = False) -> None:
    """Go on with a training that failed or was cancelled: a new one, from its checkpoint."""
    _act(training_id, "resume", wait, as_json)


@app.command("fetch")
def fetch(
    training_id: Id, out: Annotated[Path, typer.Option(help="Folder for the files.")], as_json: Json = False
) -> None:
    """Download what a training left: weights, exports, notes."""
    with output.exits(as_json), connect() as client:
        try:
            files = client.training(training_id)["files"]
            out.mkdir(parents=True, exist_ok=True)
            for file in files:
                content = client.training_file(training_id, file["name"], file["sha256"])
                (out / Path(file["name"]).name).write_bytes(content)
        except NotThatFile as error:
            output.fail(Exit.FAILED, str(error), as_json)
        except OSError as error:
            output.fail(Exit.USAGE, str(error), as_json)
    output.emit(files, as_json, lambda: output.console.print(f"{len(files)} files in {out}"))


def _act(training_id: str, act: str | None, wait: bool, as_json: bool) -> None:
    with output.exits(as_json), connect() as client:
        found = client.training(training_id, act)
        if wait:
            found = follow(client, found, as_json)
        output.emit(found, as_json, lambda: training_view.summary(found))
    raise typer.Exit(int(output.of_scan(found["state"])))
