"""`scanmill status ID`: a scan, its stages and what it found."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from cli import output
from cli.connection import connect
from cli.output import Json
from cli.scan import Scan

app = typer.Typer()


@app.command("status")
def status(
    scan_id: Annotated[str, typer.Argument(metavar="ID")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the scan has ended.")] = False,
    as_json: Json = False,
) -> None:
    """Show a scan; the exit code says how it ended (0 while it is under way)."""
    with output.exits(as_json), connect() as client:
        scan = client.wait(scan_id) if wait else client.get(scan_id)
        output.emit(scan.raw, as_json, lambda: _show(scan))
    raise typer.Exit(int(output.of_scan(scan.status)))


def _show(scan: Scan) -> None:
    score = "" if scan.health_score is None else f"   health score {scan.health_score:g}"
    output.console.print(f"{scan.filename or scan.id}: [bold]{scan.status}[/bold] {scan.code or ''}{score}")
    table = Table("stage", "state", "code", "attempts", "ms", box=None, pad_edge=False)
    for stage in scan.stages:
        took = "reused" if stage.reused else "" if stage.compute_ms is None else f"{stage.compute_ms:.0f}"
        table.add_row(stage.name, stage.state, stage.code or "", str(stage.attempts), took)
    output.console.print(table)
    for region, finding in scan.findings.items():
        label = finding.get("label") or finding.get("code") or finding.get("outcome")
        sure = finding.get("confidence")
        output.console.print(f"  {region}: {label}{'' if sure is None else f' ({sure:.0%})'}", highlight=False)
    for said in scan.raw.get("corrections", []):
        output.console.print(f"  {said['finding']}: corrected to {said['label']}", markup=False, highlight=False)
