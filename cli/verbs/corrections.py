"""`scanmill corrections …`: say what a finding should have been, and export what was said, over HTTP."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from cli import output
from cli.connection import connect
from cli.output import Exit, Json

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Correct findings for training; no result and no model is changed: see docs/drift.md."""


@app.command("add")
def add(
    scan_id: Annotated[str, typer.Argument(metavar="SCAN")],
    finding: Annotated[str, typer.Argument(help="cataract, mouth, …")],
    label: Annotated[str, typer.Argument(help="One of the finding's labels, or unusable.")],
    note: Annotated[str | None, typer.Option(help="Why.")] = None,
    as_json: Json = False,
) -> None:
    """Say that a finding of a scan should have been this label."""
    body = {"finding": finding, "label": label, "note": note}
    with output.exits(as_json), connect() as client:
        made = client.send("POST", f"/v1/scans/{quote(scan_id, safe='')}/corrections", json=body, once=True).json()
    output.emit(made, as_json, lambda: output.console.print(f"{finding}: {label}", markup=False, highlight=False))


@app.command("export")
def export(
    pipeline: Annotated[str, typer.Option("--pipeline", help="Which system.")] = "cat_face",
    form: Annotated[str, typer.Option("--format", help="jsonl or csv.")] = "jsonl",
    to: Annotated[Path | None, typer.Option(help="A file; standard output unless given.")] = None,
    as_json: Json = False,
) -> None:
    """Write every correction, the oldest first, with what the models had said."""
    if as_json and to is None:
        output.fail(Exit.USAGE, "--json needs --to: the corrections themselves go to standard output", as_json)
    with output.exits(as_json), connect() as client:
        content = client.send("GET", "/v1/corrections", params={"pipeline": pipeline, "format": form}).content
    if to is None:
        sys.stdout.buffer.write(content)
        return
    to.write_bytes(content)
    told = {"to": str(to), "bytes": len(content)}
    output.emit(told, as_json, lambda: output.console.print(f"{to}: {len(content)} bytes", markup=False))
