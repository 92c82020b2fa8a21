"""`scanmill trend ASSET`: how the scores of one asset's pictures went, as a table, CSV or a page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table

from api.report import trend as report
from cli import output
from cli.batches.files import whole
from cli.client import Client
from cli.connection import connect
from cli.demo.pictures import Album
from cli.output import Json

app = typer.Typer()
SIDE = 320
"""Pixels of a picture's longer side on the page."""


@app.command("trend")
def trend(
    asset: Annotated[str, typer.Argument(metavar="ASSET")],
    pipeline: Annotated[str, typer.Option(help="The system that scanned them.")] = "thermal",
    since: Annotated[str | None, typer.Option(help="Only pictures taken from then on, as RFC 3339 writes it.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV on standard output.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with line and pictures.")] = None,
    as_json: Json = False,
) -> None:
    """Show scores, classes and temperatures of an asset in the order in which its pictures were taken."""
    with output.exits(as_json), connect() as client:
        if csv:
            query = {"format": "csv", "pipeline": pipeline, **({} if since is None else {"since": since})}
            for part in client.stream(f"/v1/assets/{quote(asset, safe='')}/trend", params=query):
                sys.stdout.buffer.write(part)
            sys.stdout.flush()
            return
        told = client.trend(asset, pipeline=pipeline, since=since)
        if html is not None:
            whole(html, [_page(client, told).encode()])
        output.emit(told, as_json, lambda: _show(told, html))


def _page(client: Client, told: dict[str, Any]) -> str:
    albums: dict[str, Album] = {}

    def picture(scan_id: str, name: str) -> str | None:
        if scan_id not in albums:
            albums[scan_id] = Album(client, client.get(scan_id))
        return albums[scan_id].picture(name, SIDE)

    return report.write(told, picture)


def _show(told: dict[str, Any], page: Path | None) -> None:
    table = Table("taken", "score", "class", "anomalous", "max °C", "memory", "scan", box=None, pad_edge=False)
    for point in told["points"]:
        score, degrees, memory = point["score"], point["max_c"], point["memory"]
        table.add_row(
            point["at"][:16].replace("T", " "),
            "" if score is None else f"{score:.3f}",
            point["classification"] or point["code"] or point["status"],
            {True: "yes", False: "no", None: ""}[point["is_anomalous"]],
            "" if degrees is None else f"{degrees:.1f}",
            f"{memory['version']}{' (another)' if point['break'] else ''}" if memory else "",
            point["scan_id"],
        )
    output.console.print(table)
    crossing = told["first_crossing"]
    text = f"first at or above its threshold: {crossing['at'][:16].replace('T', ' ')}" if crossing else "never above"
    output.console.print(text, highlight=False)
    if page is not None:
        output.console.print(f"page: {page}", highlight=False)
