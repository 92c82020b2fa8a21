"""Announced scans: an id first, the picture later. Every query has the tenant."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from db.sql import row, rows


@dataclass(frozen=True, slots=True)
class Announced:
    """A ticket, and its scan once there is one."""

    id: UUID
    scan_id: UUID | None


def announce(connection: sa.Connection, tenant_id: UUID) -> UUID:
    """A new ticket's id."""
    made = row(connection, "INSERT INTO ticket (tenant_id) VALUES (:tenant) RETURNING id", tenant=tenant_id)
    assert made is not None
    return UUID(str(made.id))


def get(connection: sa.Connection, tenant_id: UUID, ticket_id: UUID) -> Announced | None:
    """None for an id that was never given to this tenant."""
    found = row(
        connection,
        "SELECT id, scan_id FROM ticket WHERE id = :id AND tenant_id = :tenant",
        id=ticket_id,
        tenant=tenant_id,
    )
    return Announced(found.id, found.scan_id) if found else None


def redeem(connection: sa.Connection, tenant_id: UUID, ticket_id: UUID, scan_id: UUID) -> None:
    """Say which scan a ticket stands for; the first one stays."""
    rows(
        connection,
        """UPDATE ticket SET scan_id = :scan WHERE id = :id AND tenant_id = :tenant AND scan_id IS NULL RETURNING id""",
        scan=scan_id,
        id=ticket_id,
        tenant=tenant_id,
    )


def forget(connection: sa.Connection, age_s: float, limit: int = 500) -> int:
    """Remove tickets that nobody used for so long; how many."""
    return len(
        rows(
            connection,
            """DELETE FROM ticket WHERE id IN (
                   SELECT id FROM ticket WHERE scan_id IS NULL
                     AND created_at < clock_timestamp() - make_interval(secs => :age)
                   ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED)
               RETURNING id""",
            age=age_s,
            limit=limit,
        )
    )
