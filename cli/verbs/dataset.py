"""`scanmill dataset export`: the pictures that may be used for training, in a folder."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cli import output, scanpack
from cli.client import Client
from cli.connection import connect
from cli.output import Exit, Json

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Pictures with both consents, and what the models said of them."""


@app.command("export")
def export(
    to: Annotated[Path, typer.Option(metavar="DIR", help="A folder that is not there yet, or is empty.")],
    pipeline: Annotated[str, typer.Option(help="Whose scans.")] = "cataract",
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Only later scans; UTC.")
    ] = None,
    format: Annotated[str, typer.Option(help="coco, csv, or both.")] = "both",  # noqa: A002  the option's name
    as_json: Json = False,
) -> None:
    """Write pictures, COCO and CSV; the folder is there only once all of it is whole. Needs an administrator's key."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        output.fail(Exit.USAGE, f"{to} is there already, and not empty", as_json)
    query = {"format": format} | ({"since": since.replace(tzinfo=UTC).isoformat()} if since else {})
    to.parent.mkdir(parents=True, exist_ok=True)
    with output.exits(as_json), connect() as client, tempfile.TemporaryDirectory(dir=to.parent, prefix=".set-") as held:
        pack, draft = Path(held) / "pack", Path(held) / "set"
        _fetch(client, pipeline, query, pack)
        verdict = scanpack.verify(pack)
        if verdict.damaged:
            output.fail(Exit.FAILED, f"what came is no whole dataset: {verdict.damaged}", as_json)
        scanpack.extract(pack, draft)
        draft.replace(to)
    told = {"folder": str(to), **json.loads((to / "dataset.json").read_text(encoding="utf-8"))}
    output.emit(told, as_json, lambda: output.console.print(_table(told)))


def _fetch(client: Client, pipeline: str, query: dict[str, str], pack: Path) -> None:
    with pack.open("wb") as opened:
        for part in client.dataset(pipeline, query):
            opened.write(part)


def _table(told: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("folder", told["folder"])
    for name, n in told["counts"].items():
        table.add_row(name.replace("_", " "), f"{n:,}")
    return table
