"""`scanmill webhooks …`: who is told of which events, over HTTP. Needs an administrator's key."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table

from cli import output
from cli.connection import connect
from cli.output import Exit, Json

app = typer.Typer(no_args_is_help=True)
Id = Annotated[str, typer.Argument(metavar="WEBHOOK")]
Events = Annotated[
    list[str] | None, typer.Option("--event", help="scan.failed, scan.*, batch.finished, …; several times.")
]
Description = Annotated[str | None, typer.Option(help="What it is for.")]


@app.callback()
def group() -> None:
    """Have events sent to an address: see docs/webhooks.md."""


@app.command("create")
def create(
    url: Annotated[str, typer.Argument(help="Where to, by https.")],
    events: Events = None,
    system: Annotated[str | None, typer.Option(help="Only scans and batches of this system.")] = None,
    description: Description = None,
    as_json: Json = False,
) -> None:
    """Create a webhook and print its secret: the one time that it can be seen. Every event, if none is named."""
    body = _given(url=url, events=events or ["*"], system=system, description=description)
    made = _send("POST", "", as_json, once=True, json=body)
    output.console.print(f"webhook {made['id']}", markup=False, highlight=False)
    output.emit(made, as_json, lambda: typer.echo(made["secret"]))


@app.command("list")
def show_all(as_json: Json = False) -> None:
    """List webhooks, without their secrets."""
    found = _send("GET", "", as_json)["items"]
    output.emit(found, as_json, lambda: output.console.print(_webhooks(found)))


@app.command("show")
def show(webhook_id: Id, as_json: Json = False) -> None:
    """Show a webhook: whether it is enabled, why not, how its deliveries go."""
    _show(_send("GET", _path(webhook_id), as_json), as_json)


@app.command("update")
def update(
    webhook_id: Id,
    url: Annotated[str | None, typer.Option(help="Another address.")] = None,
    events: Events = None,
    description: Description = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="On again, or off.")] = None,
    as_json: Json = False,
) -> None:
    """Change a webhook, disable it, or enable it again."""
    body = _given(url=url, events=events, description=description, enabled=enabled)
    if not body:
        output.fail(Exit.USAGE, "nothing to change: see --help", as_json)
    _show(_send("PATCH", _path(webhook_id), as_json, json=body), as_json)


@app.command("delete")
def delete(webhook_id: Id, as_json: Json = False) -> None:
    """Delete a webhook with its secrets and its log."""
    _send("DELETE", _path(webhook_id), as_json, once=True)
    output.emit({"id": webhook_id, "deleted": True}, as_json, lambda: output.console.print(f"deleted {webhook_id}"))


@app.command("rotate")
def rotate(webhook_id: Id, as_json: Json = False) -> None:
    """Make a new secret and print it; for 24 hours both sign."""
    made = _send("POST", f"{_path(webhook_id)}/rotate", as_json, once=True)
    output.emit(made, as_json, lambda: typer.echo(made["secret"]))


@app.command("test")
def ping(webhook_id: Id, as_json: Json = False) -> None:
    """Send a test event; `deliveries` shows how it went."""
    _show_deliveries([_send("POST", f"{_path(webhook_id)}/test", as_json, once=True)], as_json, one=True)


@app.command("deliveries")
def deliveries(
    webhook_id: Id,
    state: Annotated[str | None, typer.Option(help="waiting, delivered or failed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Most of them, the newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List what was sent, and how it was answered."""
    query = _given(state=state, limit=limit)
    _show_deliveries(_send("GET", f"{_path(webhook_id)}/deliveries", as_json, params=query)["items"], as_json)


@app.command("redeliver")
def redeliver(
    webhook_id: Id, delivery_id: Annotated[str, typer.Argument(metavar="DELIVERY")], as_json: Json = False
) -> None:
    """Send a delivery again, under the same id."""
    path = f"{_path(webhook_id)}/deliveries/{quote(delivery_id, safe='')}/redeliver"
    _show_deliveries([_send("POST", path, as_json)], as_json, one=True)


def _send(method: str, path: str, as_json: bool, **request: Any) -> dict[str, Any]:
    with output.exits(as_json), connect() as client:
        response = client.send(method, f"/v1/webhooks{path}", **request)
        return dict(response.json()) if response.content else {}


def _path(webhook_id: str) -> str:
    return f"/{quote(webhook_id, safe='')}"


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _show(found: dict[str, Any], as_json: bool) -> None:
    output.emit(found, as_json, lambda: output.console.print(_webhooks([found])))


def _show_deliveries(found: list[dict[str, Any]], as_json: bool, *, one: bool = False) -> None:
    output.emit(found[0] if one else found, as_json, lambda: output.console.print(_deliveries(found)))


def _webhooks(found: list[dict[str, Any]]) -> Table:
    table = Table("id", "events", "address", "state", "taken", "not taken", box=None, pad_edge=False)
    for each in found:
        state = "enabled" if each["enabled"] else each["disabled_code"] or "disabled"
        counts = (str(each["delivered"]), str(each["failures"]))
        table.add_row(each["id"], " ".join(each["events"]), each["url"], state, *counts)
    return table


def _deliveries(found: list[dict[str, Any]]) -> Table:
    table = Table("delivery", "event", "about", "state", "attempts", "last answer", box=None, pad_edge=False)
    for each in found:
        last = each["tries"][-1] if each["tries"] else {}
        answer = " ".join(str(last[name]) for name in ("status", "code") if last.get(name) is not None)
        about = str(each["data"].get("id", ""))
        table.add_row(each["id"], each["type"], about, each["state"], str(each["attempts"]), answer)
    return table
