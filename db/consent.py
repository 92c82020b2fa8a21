"""Words on training: a tenant's and a scan's, each with its time and the key it came by. Every statement has the tenant.

A picture may be used only where both say yes, and where no other scan of the same bytes says no (``db/datasets.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db.sql import row, run


@dataclass(frozen=True, slots=True)
class Word:
    """What was said, by which key, and when; ``at`` None means now."""

    training: bool
    by: str
    at: datetime | None = None


def of_tenant(connection: sa.Connection, tenant_id: UUID) -> dict[str, Any]:
    """``{training, at, by}`` of a tenant; false and nulls until somebody says so."""
    found = row(connection, "SELECT training, training_at, training_by FROM tenant WHERE id = :id", id=tenant_id)
    assert found is not None, "who asks is a tenant"
    return shown(found)


def say_for_tenant(connection: sa.Connection, tenant_id: UUID, word: Word) -> dict[str, Any]:
    """A tenant's new word; the one before is kept. The same word again changes nothing."""
    found = row(connection, "SELECT training, training_at FROM tenant WHERE id = :id FOR UPDATE", id=tenant_id)
    assert found is not None, "who asks is a tenant"
    if found.training_at is None or found.training != word.training:
        run(
            connection,
            """INSERT INTO consent_past (tenant_id, training, said_at, said_by)
               SELECT id, training, training_at, training_by FROM tenant WHERE id = :id AND training_at IS NOT NULL""",
            id=tenant_id,
        )
        run(
            connection,
            """UPDATE tenant SET training = :training, training_at = clock_timestamp(), training_by = :by
               WHERE id = :id""",
            id=tenant_id,
            training=word.training,
            by=word.by,
        )
    return of_tenant(connection, tenant_id)


def say_for_scan(connection: sa.Connection, tenant_id: UUID, scan_id: UUID, word: Word) -> dict[str, Any] | None:
    """A scan's new word, whatever its status; the one before is kept. None for an unknown scan."""
    given = {"tenant": tenant_id, "id": scan_id}
    found = row(connection, f"{_OF_SCAN} FOR UPDATE", **given)
    if found is None:
        return None
    if found.training == word.training:
        return shown(found)
    keep(connection, scan_id)
    run(
        connection,
        """UPDATE scan SET training = :training, training_at = clock_timestamp(), training_by = :by
           WHERE id = :id AND tenant_id = :tenant""",
        training=word.training,
        by=word.by,
        **given,
    )
    changed = row(connection, _OF_SCAN, **given)
    assert changed is not None, "its row is locked"
    return shown(changed)


_OF_SCAN = "SELECT training, training_at, training_by FROM scan WHERE id = :id AND tenant_id = :tenant"


def keep(connection: sa.Connection, scan_id: UUID) -> None:
    """Put a locked scan's word, if there is one, among the past ones: it is about to be replaced or deleted."""
    run(
        connection,
        """INSERT INTO consent_past (tenant_id, scan_id, training, said_at, said_by)
           SELECT tenant_id, id, training, training_at, training_by FROM scan WHERE id = :id AND training IS NOT NULL""",
        id=scan_id,
    )


def shown(r: sa.Row[Any]) -> dict[str, Any]:
    """A row's word as clients see it."""
    return {
        "training": r.training,
        "at": r.training_at.isoformat() if r.training_at else None,
        "by": r.training_by,
    }
