"""Training runs as clients ask for them and look at them. Every statement has the tenant in it; the work is another file's.

A run that ended stays as it ended: to go on with it is a new run, which begins with its checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db.sql import records, rows, run
from db.webhook_events import tell_trainings
from pipeline.errors import AlreadyFinished, IdempotencyConflict, NotFinished, TrainingUnavailable, UnknownRecipe

STATES = ("queued", "running", "interrupted", "succeeded", "failed", "cancelled")
ENDS = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe that some trainer knows, with its sentence, and when one last said so."""

    name: str
    about: str
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """What somebody wants to be trained. ``parameters`` are checked already."""

    tenant_id: UUID
    recipe: str
    parameters: Mapping[str, Any]
    asked_by: str
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """A run as it stands. ``checkpoint`` is a SHA-256; ``files`` maps a name to ``sha256`` and ``size`` in bytes."""

    id: UUID
    recipe: str
    parameters: dict[str, Any]
    asked_by: str
    resumed_from: UUID | None
    state: str
    code: str | None
    detail: str | None
    attempts: int
    progress: dict[str, Any]
    checkpoint: str | None
    files: dict[str, Any]
    versions: list[dict[str, Any]]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None

    @property
    def ended(self) -> bool:
        return self.state in ENDS


_COLUMNS = ", ".join(TrainingRow.__dataclass_fields__)


def announce(connection: sa.Connection, recipes: Mapping[str, str]) -> None:
    """Keep which recipes a trainer knows: name → sentence."""
    run(
        connection,
        """INSERT INTO training_recipe (name, about)
           SELECT i.name, i.about FROM jsonb_to_recordset(CAST(:items AS jsonb)) AS i(name text, about text)
           ORDER BY i.name
           ON CONFLICT (name) DO UPDATE SET about = excluded.about, seen_at = clock_timestamp()""",
        items=records({"name": name, "about": about} for name, about in recipes.items()),
    )


def recipes(connection: sa.Connection) -> list[Recipe]:
    """Every recipe that a trainer announced, by name."""
    found = rows(connection, "SELECT name, about, seen_at FROM training_recipe ORDER BY name")
    return [Recipe(each.name, each.about, each.seen_at) for each in found]


def submit(connection: sa.Connection, new: NewRun) -> tuple[TrainingRow, bool]:
    """The run, and whether it is new rather than one that the same Idempotency-Key made before.

    Raises TrainingUnavailable (no trainer ever came), UnknownRecipe, IdempotencyConflict.
    """
    known = {each.name for each in recipes(connection)}
    if new.recipe not in known:
        raise UnknownRecipe(new.recipe) if known else TrainingUnavailable
    made = _one(
        connection,
        """INSERT INTO training_run (tenant_id, recipe, parameters, asked_by, idempotency_key)
            VALUES (:tenant, :recipe, CAST(:parameters AS jsonb), :by, :key)
            ON CONFLICT (tenant_id, idempotency_key) DO NOTHING RETURNING {columns}""",
        tenant=new.tenant_id,
        recipe=new.recipe,
        parameters=json.dumps(dict(new.parameters)),
        by=new.asked_by,
        key=new.idempotency_key,
    )
    if made is not None:
        return made, True
    before = _one(
        connection,
        "SELECT {columns} FROM training_run WHERE tenant_id = :tenant AND idempotency_key = :key",
        tenant=new.tenant_id,
        key=new.idempotency_key,
    )
    if before is None or (before.recipe, before.parameters) != (new.recipe, dict(new.parameters)):
        raise IdempotencyConflict
    return before, False


def get(connection: sa.Connection, tenant_id: UUID, run_id: UUID, *, lock: bool = False) -> TrainingRow | None:
    """A run; None for another tenant's. ``lock``: nobody changes it until this transaction ends."""
    return _one(connection, _GET_LOCKED if lock else _GET, tenant=tenant_id, id=run_id)


_GET = "SELECT {columns} FROM training_run WHERE tenant_id = :tenant AND id = :id"
_GET_LOCKED = f"{_GET} FOR UPDATE"


def listing(
    connection: sa.Connection, tenant_id: UUID, *, state: str | None = None, limit: int = 50
) -> list[TrainingRow]:
    """A tenant's runs, the newest first."""
    return _all(
        connection,
        """SELECT {columns} FROM training_run
            WHERE tenant_id = :tenant AND (CAST(:state AS text) IS NULL OR state = :state) ORDER BY id DESC LIMIT :limit""",
        tenant=tenant_id,
        state=state,
        limit=limit,
    )


def cancel(connection: sa.Connection, tenant_id: UUID, run_id: UUID) -> TrainingRow | None:
    """Cancel for good: at once what nobody works on, within seconds what is running. None for another tenant's.

    Asking again changes nothing. Raises AlreadyFinished for a run that ended otherwise.
    """
    found = get(connection, tenant_id, run_id, lock=True)
    if found is None or found.state == "cancelled":
        return found
    if found.ended:
        raise AlreadyFinished
    changed = _one(
        connection,
        """UPDATE training_run SET
              cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
              state = CASE WHEN state = 'running' THEN state ELSE 'cancelled' END,
              code = CASE WHEN state = 'running' THEN code ELSE 'CANCELLED' END,
              finished_at = CASE WHEN state = 'running' THEN NULL ELSE clock_timestamp() END
            WHERE id = :id RETURNING {columns}""",
        id=run_id,
    )
    assert changed is not None
    tell_trainings(connection, [run_id] if changed.ended else [])
    return changed


def resume(connection: sa.Connection, tenant_id: UUID, run_id: UUID, by: str) -> tuple[TrainingRow, bool] | None:
    """A new run that goes on where that one ended, and whether it is new: an open one that does so already is taken.

    None for another tenant's. Raises NotFinished for a run that is not over, AlreadyFinished for one that succeeded.
    """
    before = get(connection, tenant_id, run_id, lock=True)
    if before is None:
        return None
    if not before.ended:
        raise NotFinished
    if before.state == "succeeded":
        raise AlreadyFinished
    open_one = _one(
        connection,
        """SELECT {columns} FROM training_run
            WHERE resumed_from = :id AND state IN ('queued', 'running', 'interrupted') ORDER BY id LIMIT 1""",
        id=run_id,
    )
    if open_one is not None:
        return open_one, False
    made = _one(
        connection,
        """INSERT INTO training_run (tenant_id, recipe, parameters, asked_by, resumed_from, checkpoint, files)
            SELECT tenant_id, recipe, parameters, :by, id, checkpoint, files FROM training_run WHERE id = :id
            RETURNING {columns}""",
        id=run_id,
        by=by,
    )
    assert made is not None
    return made, True


def counts(connection: sa.Connection) -> dict[str, int]:
    """Runs by state, over all tenants."""
    found = rows(connection, "SELECT state, count(*) AS n FROM training_run GROUP BY state")
    return dict.fromkeys(STATES, 0) | {each.state: int(each.n) for each in found}


def _one(connection: sa.Connection, sql: str, **parameters: object) -> TrainingRow | None:
    found = _all(connection, sql, **parameters)
    return found[0] if found else None


def _all(connection: sa.Connection, sql: str, **parameters: object) -> list[TrainingRow]:
    """Rows of a statement that says ``{columns}`` where a run's columns stand."""
    return [TrainingRow(*tuple(each)) for each in rows(connection, sql.replace("{columns}", _COLUMNS), **parameters)]
