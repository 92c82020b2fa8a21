"""Alerts of drift: opened once for what drifts, closed by people, never by themselves. Every statement names the tenant."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db import drift_days
from db.sql import row, rows
from pipeline.drift import Found, Plan, alarming, evaluate


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert. ``found`` is the comparison that opened it; the four days are its windows, ends not included."""

    id: UUID
    system: str
    source: str
    kind: str
    measure: str
    found: dict[str, Any]
    reference_since: date
    reference_until: date
    since: date
    until: date
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    note: str | None


_SHOWN = ", ".join(AlertRow.__dataclass_fields__)


def check(connection: sa.Connection, tenant_id: UUID, system: str, plan: Plan) -> list[AlertRow]:
    """Compare a system's days by the plan and open what is alarming; the alerts that were opened now."""
    days = drift_days.days(connection, tenant_id, system, [plan.reference, plan.recent])
    return opened(connection, tenant_id, system, plan, alarming(evaluate(days, plan)))


def opened(
    connection: sa.Connection, tenant_id: UUID, system: str, plan: Plan, found: Iterable[Found]
) -> list[AlertRow]:
    """Open an alert for each, unless one is open, or was closed since the recent window began: those days were looked at."""
    made = [
        row(
            connection,
            _OPEN,
            tenant=tenant_id,
            system=system,
            source=each.source,
            kind=each.kind,
            measure=each.measure,
            found=json.dumps(each.told()),
            reference_since=plan.reference.since,
            reference_until=plan.reference.until,
            since=plan.recent.since,
            until=plan.recent.until,
        )
        for each in found
    ]
    return [AlertRow(*tuple(each)) for each in made if each is not None]


_OPEN = f"""
    INSERT INTO drift_alert (tenant_id, system, source, kind, measure, found, reference_since, reference_until, since, until)
    SELECT :tenant, :system, :source, :kind, :measure, CAST(:found AS jsonb), CAST(:reference_since AS date),
           CAST(:reference_until AS date), CAST(:since AS date), CAST(:until AS date)
    WHERE NOT EXISTS (
        SELECT FROM drift_alert WHERE tenant_id = :tenant AND system = :system AND source = :source
          AND measure = :measure AND closed_at >= CAST(CAST(:since AS date) AS timestamp) AT TIME ZONE 'UTC')
    ON CONFLICT (tenant_id, system, source, measure) WHERE closed_at IS NULL DO NOTHING
    RETURNING {_SHOWN}"""  # noqa: S608  names of ours


def listing(
    connection: sa.Connection, tenant_id: UUID, system: str | None = None, *, closed: bool = False, limit: int = 200
) -> list[AlertRow]:
    """A tenant's open alerts, or those that were closed, the newest first."""
    found = rows(
        connection,
        f"""SELECT {_SHOWN} FROM drift_alert
            WHERE tenant_id = :tenant AND (CAST(:system AS text) IS NULL OR system = :system)
              AND (closed_at IS NOT NULL) = CAST(:closed AS boolean)
            ORDER BY id DESC LIMIT :limit""",  # noqa: S608  names of ours
        tenant=tenant_id,
        system=system,
        closed=closed,
        limit=limit,
    )
    return [AlertRow(*tuple(each)) for each in found]


def get(connection: sa.Connection, tenant_id: UUID, alert_id: UUID) -> AlertRow | None:
    """An alert; None for another tenant's."""
    found = row(
        connection,
        f"SELECT {_SHOWN} FROM drift_alert WHERE tenant_id = :tenant AND id = :id",  # noqa: S608  names of ours
        tenant=tenant_id,
        id=alert_id,
    )
    return AlertRow(*tuple(found)) if found else None


def close(connection: sa.Connection, tenant_id: UUID, alert_id: UUID, *, by: str, note: str | None) -> AlertRow | None:
    """Close for good; closing twice changes nothing. None for another tenant's."""
    rows(
        connection,
        """UPDATE drift_alert SET closed_at = clock_timestamp(), closed_by = :by, note = :note
           WHERE tenant_id = :tenant AND id = :id AND closed_at IS NULL RETURNING id""",
        tenant=tenant_id,
        id=alert_id,
        by=by,
        note=note,
    )
    return get(connection, tenant_id, alert_id)


def figures(connection: sa.Connection) -> dict[tuple[str, str], int]:
    """Open alerts of all tenants by system and kind, for monitoring."""
    found = rows(
        connection,
        """SELECT system, kind, count(*) AS n FROM drift_alert WHERE closed_at IS NULL GROUP BY system, kind""",
    )
    return {(each.system, each.kind): int(each.n) for each in found}
