"""Drift as its tenant sees it: what was compared with what, what drifted, and alerts, which people close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from flask import Response, jsonify, request

from api.auth import principal
from api.fields import asked, only_known, system_of, text_of
from api.ids import uuid_of
from api.json_body import read_object
from api.problems import invalid
from api.services import services
from db import drift_alerts, drift_days
from db.drift_alerts import AlertRow
from db.session import Connection
from pipeline.contracts import System
from pipeline.drift import Day, Plan, Window, added, evaluate, summary
from pipeline.errors import NotFound

LONGEST_SOURCE, LONGEST_NOTE = 200, 500
STATES = ("open", "closed")


def get_drift() -> Response:
    """Every measure of every source, lately against the reference, with a verdict; by day; and the alerts that are open.

    Whole days in UTC, as `control` has counted them: today is not among them. Nothing is opened by looking.
    """
    asked({"pipeline", "source", "since", "until", "reference_since", "reference_until"})
    source = request.args.get("source")
    if source is not None:
        text_of(source, "source", LONGEST_SOURCE)
    with services().database.begin() as connection:
        return jsonify(told(connection, system_of(request.args.get("pipeline")), source))


def told(connection: Connection, system: System, source: str | None = None) -> dict[str, Any]:
    """The comparison that the query asks for."""
    here, tenant = services(), principal().tenant_id
    until = drift_days.counted_until(connection, tenant)
    plan = _asked_plan(here.drift.plan(until or datetime.now(UTC).date()))
    days = drift_days.days(connection, tenant, system, [plan.reference, plan.recent], source)
    alerts = drift_alerts.listing(connection, tenant, system)
    return {
        "pipeline": system,
        "source": source,
        "counted_until": until.isoformat() if until else None,
        "reference": _window(plan.reference, days),
        "recent": _window(plan.recent, days),
        "least": plan.least,
        "alpha": plan.alpha,
        "measures": [found.told() for found in evaluate(days, plan)],
        "days": _by_day(days),
        "alerts": [shown(alert) for alert in alerts if source in (None, alert.source)],
    }


def check_drift() -> Response:
    """Compare now, as `control` does after each day, and open what drifted; an alert that is open is not opened again."""
    body = read_object(request)
    only_known(body, frozenset({"pipeline"}))
    here, tenant, system = services(), principal().tenant_id, system_of(body.get("pipeline"))
    with here.database.begin() as connection:
        until = drift_days.counted_until(connection, tenant)
        made = drift_alerts.check(connection, tenant, system, here.drift.plan(until)) if until else []
    counted_until = until.isoformat() if until else None
    return jsonify({"counted_until": counted_until, "opened": [shown(alert) for alert in made]})


def list_alerts() -> Response:
    """The newest first, at most 200; those that are open unless you ask otherwise."""
    asked({"pipeline", "state"})
    state, system = request.args.get("state", "open"), request.args.get("pipeline")
    if state not in STATES:
        raise invalid("state", f"must be one of {', '.join(STATES)}")
    wanted = None if system is None else system_of(system)
    with services().database.begin() as connection:
        found = drift_alerts.listing(connection, principal().tenant_id, wanted, closed=state == "closed")
    return jsonify({"items": [shown(alert) for alert in found]})


def get_alert(alert_id: str) -> Response:
    """An alert with the comparison that opened it."""
    return jsonify(shown(alert_of(alert_id)))


def close_alert(alert_id: str) -> Response:
    """Say that it was looked at, and what came of it. It is not opened again for days that lie before now."""
    body = read_object(request)
    only_known(body, frozenset({"note"}))
    note = None if body.get("note") is None else text_of(body["note"], "note", LONGEST_NOTE)
    who = principal()
    with services().database.begin() as connection:
        closed = drift_alerts.close(connection, who.tenant_id, uuid_of(alert_id), by=who.key_id, note=note)
    if closed is None:
        raise NotFound
    return jsonify(shown(closed))


def alert_of(alert_id: str) -> AlertRow:
    """The caller's alert. Raises NotFound."""
    with services().database.begin() as connection:
        found = drift_alerts.get(connection, principal().tenant_id, uuid_of(alert_id))
    if found is None:
        raise NotFound
    return found


def shown(alert: AlertRow) -> dict[str, Any]:
    """An alert as JSON."""
    whole = asdict(alert)
    found = whole.pop("found")
    days = {name: whole[name].isoformat() for name in ("reference_since", "reference_until", "since", "until")}
    numbers = ("before", "after", "distance", "p", "p_adjusted", "n_reference", "n_recent")
    return {**whole, **days, **{name: found[name] for name in numbers}}


def _asked_plan(usual: Plan) -> Plan:
    recent = _asked_window("", usual.recent)
    return Plan(_asked_window("reference_", usual.reference), recent, usual.least, usual.alpha)


def _asked_window(prefix: str, usual: Window) -> Window:
    since, until = _day(f"{prefix}since", usual.since), _day(f"{prefix}until", usual.until)
    if since >= until:
        raise invalid(f"{prefix}since", f"must be before {prefix}until ({until})")
    return Window(since, until)


def _day(name: str, usual: date) -> date:
    text = request.args.get(name)
    try:
        return usual if text is None else date.fromisoformat(text)
    except ValueError:
        raise invalid(name, "must be a day, as 2026-11-01") from None


def _window(window: Window, days: Sequence[Day]) -> dict[str, Any]:
    scans = sum(day.scans for day in days if day.day in window)
    return {"since": window.since.isoformat(), "until": window.until.isoformat(), "scans": scans}


def _by_day(days: Sequence[Day]) -> list[dict[str, Any]]:
    return [
        {
            "day": day.day.isoformat(),
            "source": day.source,
            "scans": day.scans,
            "measures": {name: summary(name, counts) for name, counts in sorted(added([day]).items())},
        }
        for day in days
    ]
