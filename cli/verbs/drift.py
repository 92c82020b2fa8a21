"""`scanmill drift …`: what has changed lately, alerts, and what to look at, over HTTP."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table

from cli import output
from cli.connection import connect
from cli.output import Exit, Json

app = typer.Typer(no_args_is_help=True)
Pipeline = Annotated[str, typer.Option("--pipeline", help="Which system.")]
Source = Annotated[str | None, typer.Option(help="One source: interactive, batch:NAME, folder:PATH, prefix:KEYS.")]
Alert = Annotated[str, typer.Argument(metavar="ALERT")]


@app.callback()
def group() -> None:
    """See whether pictures, predictions or agreement have changed: see docs/drift.md."""


@app.command("status")
def status(
    pipeline: Pipeline = "cat_face",
    source: Source = None,
    since: Annotated[str | None, typer.Option(help="First day that is compared, as 2026-11-01.")] = None,
    until: Annotated[str | None, typer.Option(help="The day after the last.")] = None,
    as_json: Json = False,
) -> None:
    """Compare the newest days with those before; ends with 3 when something drifted."""
    found = _send("GET", "", as_json, params=_given(pipeline=pipeline, source=source, since=since, until=until))
    output.emit(found, as_json, lambda: _show(found))
    if any(each["verdict"] == "drifted" for each in found["measures"]):
        raise typer.Exit(int(Exit.NOT_ANSWERED))


@app.command("check")
def check(pipeline: Pipeline = "cat_face", as_json: Json = False) -> None:
    """Compare now and open alerts, as control does after each day."""
    made = _send("POST", "/checks", as_json, json={"pipeline": pipeline})["opened"]
    output.emit(made, as_json, lambda: output.console.print(_alerts(made)))


@app.command("alerts")
def alerts(
    pipeline: Annotated[str | None, typer.Option("--pipeline", help="Only those of a system.")] = None,
    closed: Annotated[bool, typer.Option("--closed", help="Those that were closed.")] = False,
    as_json: Json = False,
) -> None:
    """List alerts, the newest first."""
    query = _given(pipeline=pipeline, state="closed" if closed else "open")
    found = _send("GET", "/alerts", as_json, params=query)["items"]
    output.emit(found, as_json, lambda: output.console.print(_alerts(found)))


@app.command("close")
def close(
    alert_id: Alert,
    note: Annotated[str | None, typer.Option(help="What it was.")] = None,
    as_json: Json = False,
) -> None:
    """Close an alert that was looked at."""
    made = _send("POST", f"/alerts/{quote(alert_id, safe='')}/close", as_json, json=_given(note=note))
    output.emit(made, as_json, lambda: output.console.print(_alerts([made])))


@app.command("reviews")
def reviews(
    pipeline: Pipeline = "cat_face",
    alert: Annotated[
        str | None, typer.Option(help="The days and the source of this alert, whatever its system.")
    ] = None,
    source: Source = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Most of them.")] = 50,
    as_json: Json = False,
) -> None:
    """List the scans most worth a look: uncertainty times disagreement."""
    query = {"alert": alert, "limit": limit} if alert else _given(pipeline=pipeline, source=source, limit=limit)
    with output.exits(as_json), connect() as client:
        found = client.send("GET", "/v1/reviews", params=query).json()["items"]
    output.emit(found, as_json, lambda: output.console.print(_looks(found)))


def _send(method: str, path: str, as_json: bool, **request: Any) -> dict[str, Any]:
    with output.exits(as_json), connect() as client:
        return dict(client.send(method, f"/v1/drift{path}", **request).json())


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _show(found: dict[str, Any]) -> None:
    recent, reference = found["recent"], found["reference"]
    output.console.print(
        f"{found['pipeline']}: {recent['since']} to {recent['until']} ({recent['scans']} scans) against "
        f"{reference['since']} to {reference['until']} ({reference['scans']}); counted until {found['counted_until'] or 'now: no day yet'}",
        highlight=False,
    )
    table = Table("verdict", "kind", "measure", "source", "then", "now", "distance", "p", "n", box=None, pad_edge=False)
    for each in found["measures"]:
        numbers = ("distance", "p_adjusted")
        table.add_row(
            *(each[name] for name in ("verdict", "kind", "measure", "source")),
            *(_summary(each[side]) for side in ("before", "after")),
            *("" if each[name] is None else f"{each[name]:.3g}" for name in numbers),
            f"{each['n_reference']} / {each['n_recent']}",
        )
    output.console.print(table)


def _summary(said: dict[str, float] | None) -> str:
    if said is None:
        return ""
    if "median" in said:
        return f"{said['median']:g}"
    return " ".join(f"{word} {share:.0%}" for word, share in said.items())


def _alerts(found: list[dict[str, Any]]) -> Table:
    table = Table("alert", "pipeline", "kind", "measure", "source", "then", "now", "state", box=None, pad_edge=False)
    for each in found:
        state = f"closed: {each['note'] or ''}" if each["closed_at"] else "open"
        names = ("id", "system", "kind", "measure", "source")
        table.add_row(*(each[name] for name in names), _summary(each["before"]), _summary(each["after"]), state)
    return table


def _looks(found: list[dict[str, Any]]) -> Table:
    table = Table("scan", "doubt", "uncertain", "disagree", "said", "corrected", box=None, pad_edge=False)
    for each in found:
        said = " ".join(f"{region}={one.get('label') or one.get('code')}" for region, one in each["findings"].items())
        corrected = " ".join(f"{one['finding']}={one['label']}" for one in each["corrections"])
        numbers = (f"{each[name]:.3f}" for name in ("score", "uncertainty", "disagreement"))
        table.add_row(each["scan_id"], *numbers, said, corrected)
    return table
