"""`scanmill delete ID`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from cli.connection import connect
from cli.output import Json

app = typer.Typer()


@app.command("delete")
def delete(scan_id: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """Delete a scan for good: its result, its files and its picture; one that is under way is cancelled first."""
    with output.exits(as_json), connect() as client:
        client.delete(scan_id)
        told = {"id": scan_id, "deleted": True}
        output.emit(told, as_json, lambda: output.console.print(f"{scan_id}: deleted", highlight=False))
