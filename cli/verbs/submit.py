"""`scanmill submit [--wait] FILES…`: upload local pictures, or have the service fetch addresses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cli import output
from cli.client import Client
from cli.client_errors import ApiError
from cli.connection import connect
from cli.output import Exit, Json
from cli.scan import Scan

app = typer.Typer()


@app.command("submit")
def submit(
    sources: Annotated[
        list[str], typer.Argument(metavar="FILES…", help="Local files, http(s) addresses, or object:KEY.")
    ],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every scan has ended.")] = False,
    timeout: Annotated[float, typer.Option(help="Give up waiting after so many seconds.")] = 600,
    pipeline: Annotated[str, typer.Option(help="The system to scan with.")] = "cat_face",
    option: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, several times; VALUE is JSON.")] = None,
    training: Annotated[
        bool | None, typer.Option("--training/--no-training", help="Whether they may be used for training.")
    ] = None,
    asset: Annotated[str | None, typer.Option(help="What they show: their scores make a trend.")] = None,
    taken: Annotated[str | None, typer.Option(help="When they were taken, as RFC 3339 writes it.")] = None,
    as_json: Json = False,
) -> None:
    """Submit pictures, print one line for each; the exit code is the worst of all."""
    with output.exits(as_json), connect() as client:
        given: dict[str, Any] = {"pipeline": pipeline, "training": training, "asset_id": asset, "taken_at": taken}
        given["options"] = dict(_option(text) for text in option or [])
        rows = [_submit(client, source, given) for source in sources]
        if wait:
            rows = [_finish(client, row, timeout) for row in rows]
        for row in rows:
            output.emit(row, as_json, lambda: None)
        if not as_json:
            output.console.print(_table(rows))
    raise typer.Exit(max(int(_end(row)) for row in rows))


def _submit(client: Client, source: str, given: dict[str, Any]) -> dict[str, Any]:
    try:
        if source.startswith(("http://", "https://")):
            scan = client.submit(url=source, **given)
        elif source.startswith("object:"):
            scan = client.submit(object_key=source.removeprefix("object:"), **given)
        else:
            scan = client.submit(Path(source), **given)
    except ApiError as error:
        if output.of_refusal(error) is not Exit.NOT_ANSWERED:
            raise
        return {"id": None, "file": source, "status": "refused", "code": error.code, "detail": error.detail}
    except OSError as error:
        reason = error.strerror or str(error)
        return {"id": None, "file": source, "status": "unreadable", "code": None, "detail": reason}
    return row_of(scan, source)


def row_of(scan: Scan, source: str | None) -> dict[str, Any]:
    """What scripts get of a scan: id, file, status, code, findings, health score, artifacts."""
    return {
        "id": scan.id,
        "file": source,
        "status": scan.status,
        "code": scan.code,
        "findings": scan.findings,
        "health_score": scan.health_score,
        "artifacts": [artifact.name for artifact in scan.artifacts],
    }


def _finish(client: Client, row: dict[str, Any], timeout: float) -> dict[str, Any]:
    if row["id"] is None:
        return row
    try:
        return row_of(client.wait(row["id"], timeout_s=timeout), row["file"])
    except TimeoutError as error:
        output.fail(Exit.FAILED, str(error))


def _end(row: dict[str, Any]) -> Exit:
    if row["id"] is None:
        return Exit.NOT_ANSWERED if row["status"] == "refused" else Exit.USAGE
    return output.of_scan(row["status"])


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--option")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table("file", "status", "code", "score", "id", box=None, pad_edge=False)
    for row in rows:
        score = row.get("health_score")
        table.add_row(
            row["file"], row["status"], row["code"] or "", "" if score is None else f"{score:g}", row["id"] or ""
        )
    return table
