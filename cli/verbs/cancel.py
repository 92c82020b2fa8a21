"""`scanmill cancel ID`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from cli.connection import connect
from cli.output import Json

app = typer.Typer()


@app.command("cancel")
def cancel(scan_id: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """Cancel a scan: no new stage of it starts, and it never becomes succeeded."""
    with output.exits(as_json), connect() as client:
        scan = client.cancel(scan_id)
        output.emit(
            {"id": scan.id, "status": scan.status},
            as_json,
            lambda: output.console.print(f"{scan.id}: {scan.status}", highlight=False),
        )
