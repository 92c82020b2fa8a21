"""Batches begin, take items, pause and go on here. Every statement has the tenant in it.

A batch's row is locked while items are appended, so that they are numbered without gaps and none comes after the end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db import erasure, pipelines
from db.consent import Word
from db.sql import records, row, run
from pipeline.contracts import InputKind
from pipeline.errors import BatchClosed, BatchEnded, IdempotencyConflict, ModelUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    """A batch to be opened. ``options`` and ``consent`` are every item's, unless the item has its own."""

    tenant_id: UUID
    system: str
    name: str | None = None
    priority: int = 0
    failure_budget: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    consent: Word | None = None
    source: Mapping[str, Any] | None = None
    """``{prefix | folder, glob?, since?}``: ``control`` lists it. Without one, lines are appended."""
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """One line: a picture to scan, or the ``code`` for which it cannot be scanned."""

    custom_id: str
    kind: InputKind = InputKind.UPLOAD
    ref: str = ""
    sha256: str | None = None
    filename: str | None = None
    options: Mapping[str, Any] | None = None
    consent: Word | None = None
    fields: Mapping[str, Any] | None = None
    asset_id: str | None = None
    taken_at: datetime | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of the items of one request: taken, refused with a code, or known by their ``custom_id`` before."""

    added: int
    refused: int
    known: int
    items: int
    """Of the whole batch now."""


def create(connection: sa.Connection, new: NewBatch) -> tuple[UUID, bool]:
    """Open a batch on the system's current pipeline; False beside the id when its Idempotency-Key opened it before.

    Raises ModelUnavailable when no pipeline is published, IdempotencyConflict when the key opened another batch.
    """
    pipeline = pipelines.current(connection, new.system)
    if pipeline is None:
        raise ModelUnavailable(f"no pipeline is published for {new.system}")
    given = {
        "tenant": new.tenant_id,
        "key": new.idempotency_key,
        "name": new.name,
        "priority": new.priority,
        "budget": new.failure_budget,
        "options": json.dumps(dict(new.options)),
        "training": new.consent.training if new.consent else None,
        "source": None if new.source is None else json.dumps(dict(new.source)),
    }
    by = new.consent.by if new.consent else None
    made = row(connection, _CREATE, pipeline=pipeline.id, by=by, **given)
    if made is not None:
        return UUID(str(made.id)), True
    same = row(connection, _SAME, system=new.system, **given)
    if same is None:
        raise IdempotencyConflict
    return UUID(str(same.id)), False


_CREATE = """
    INSERT INTO batch (tenant_id, pipeline_id, idempotency_key, name, priority, failure_budget, options, source, training,
                       training_by, state)
    VALUES (:tenant, :pipeline, :key, :name, :priority, :budget, CAST(:options AS jsonb), CAST(:source AS jsonb),
            CAST(:training AS boolean), :by,
            CASE WHEN CAST(:source AS jsonb) IS NULL THEN 'open' ELSE 'listing' END)
    ON CONFLICT (tenant_id, idempotency_key) DO NOTHING RETURNING id"""

_SAME = """
    SELECT b.id FROM batch b JOIN pipeline p ON p.id = b.pipeline_id
    WHERE b.tenant_id = :tenant AND b.idempotency_key = :key AND p.system = :system
      AND b.name IS NOT DISTINCT FROM CAST(:name AS text) AND b.priority = :priority
      AND b.failure_budget IS NOT DISTINCT FROM CAST(:budget AS bigint) AND b.options = CAST(:options AS jsonb)
      AND b.source IS NOT DISTINCT FROM CAST(:source AS jsonb)
      AND b.training IS NOT DISTINCT FROM CAST(:training AS boolean)"""


def append(
    connection: sa.Connection, tenant_id: UUID, batch_id: UUID, items: Sequence[NewItem], stored_s: float = 0.0
) -> Appended | None:
    """Take lines into an open batch, and a scan for each that can be scanned; None for an unknown batch.

    A ``custom_id`` that the batch has already changes nothing, so a request may be repeated. ``stored_s``: uploads were
    put into storage within so many seconds before. Raises BatchClosed, StorageUnavailable when one is being erased.
    """
    batch = locked(connection, tenant_id, batch_id)
    if batch is None:
        return None
    if batch.state != "open" or batch.cancel_requested_at is not None:
        raise BatchClosed
    return take_lines(connection, tenant_id, batch_id, items, stored_s)


def take_lines(
    connection: sa.Connection, tenant_id: UUID, batch_id: UUID, items: Sequence[NewItem], stored_s: float
) -> Appended:
    """Take lines into a batch that is there and locked, whatever its state; known ones change nothing."""
    uploads = [item.sha256 for item in items if item.kind is InputKind.UPLOAD and item.sha256 is not None]
    erasure.check_stored(connection, tenant_id, uploads, stored_s)
    named = {item.custom_id: item for item in reversed(items)}
    made = row(
        connection,
        _APPEND,
        batch=batch_id,
        tenant=tenant_id,
        items=records(_item_row(item) for item in reversed(named.values())),
    )
    assert made is not None
    return Appended(made.added, made.refused, len(items) - made.added - made.refused, made.items)


def _item_row(item: NewItem) -> dict[str, object]:
    return {
        "custom_id": item.custom_id,
        "kind": str(item.kind),
        "ref": item.ref,
        "sha256": item.sha256,
        "filename": item.filename,
        "options": None if item.options is None else dict(item.options),
        "training": item.consent.training if item.consent else None,
        "said_by": item.consent.by if item.consent else None,
        "fields": None if item.fields is None else dict(item.fields),
        "asset_id": item.asset_id,
        "taken_at": item.taken_at and item.taken_at.isoformat(),
        "code": item.code,
    }


_APPEND = """
    WITH given AS MATERIALIZED (
        SELECT g.*, CASE WHEN code IS NULL THEN uuidv7() END AS scan_id, row_number() OVER () AS place
        FROM jsonb_to_recordset(CAST(:items AS jsonb)) AS g(custom_id text, kind text, ref text, sha256 text,
             filename text, options jsonb, training boolean, said_by text, fields jsonb, asset_id text,
             taken_at timestamptz, code text)
        WHERE NOT EXISTS (SELECT FROM batch_item WHERE batch_id = :batch AND custom_id = g.custom_id)
    ), scanned AS (
        INSERT INTO scan (id, tenant_id, batch_id, pipeline_id, lane, options, filename, asset_id, taken_at, input_kind,
                          input_ref, input_sha256, event_seq, training, training_by, training_at)
        SELECT g.scan_id, :tenant, b.id, b.pipeline_id, 1, coalesce(g.options, b.options),
               coalesce(g.filename, g.custom_id), g.asset_id, g.taken_at, g.kind, g.ref, g.sha256, 1,
               coalesce(g.training, b.training),
               CASE WHEN g.training IS NULL THEN b.training_by ELSE g.said_by END,
               CASE WHEN coalesce(g.training, b.training) IS NOT NULL THEN clock_timestamp() END
        FROM given g JOIN batch b ON b.id = :batch WHERE g.code IS NULL ORDER BY g.place
        RETURNING id
    ), told AS (
        INSERT INTO event (scan_id, seq, kind, data)
        SELECT id, 1, 'status', '{"status": "queued", "code": null}' FROM scanned
    ), counted AS (
        INSERT INTO count_delta (tenant_id, batch_id, status, delta)
        SELECT :tenant, :batch, 'queued', n FROM (SELECT count(*) AS n FROM scanned) s WHERE n > 0
    ), listed AS (
        INSERT INTO batch_item (batch_id, n, custom_id, fields, scan_id, code)
        SELECT :batch, b.items + g.place, g.custom_id, g.fields, g.scan_id, g.code
        FROM given g JOIN batch b ON b.id = :batch
    ), sums AS (
        SELECT count(scan_id) AS added, count(code) AS refused FROM given
    ), noted AS (
        UPDATE batch SET items = items + added + s.refused, refused = batch.refused + s.refused
        FROM sums s WHERE id = :batch RETURNING items
    )
    SELECT added, refused, items FROM sums CROSS JOIN noted"""


def locked(connection: sa.Connection, tenant_id: UUID, batch_id: UUID) -> sa.Row[Any] | None:
    """A tenant's batch with its row locked until the transaction ends."""
    return row(
        connection,
        """SELECT b.pipeline_id, p.system, b.state, b.options, b.items, b.cursor, b.finished_at,
                  b.cancel_requested_at
           FROM batch b JOIN pipeline p ON p.id = b.pipeline_id
           WHERE b.id = :id AND b.tenant_id = :tenant FOR UPDATE OF b""",
        id=batch_id,
        tenant=tenant_id,
    )


def _change(connection: sa.Connection, tenant_id: UUID, batch_id: UUID, statement: str, **given: object) -> bool:
    """Run an UPDATE of a batch that has not ended; False for an unknown one. Raises BatchEnded."""
    batch = locked(connection, tenant_id, batch_id)
    if batch is None:
        return False
    if batch.finished_at is not None:
        raise BatchEnded
    run(connection, statement, id=batch_id, **given)
    return True


def options(connection: sa.Connection, tenant_id: UUID, batch_id: UUID) -> pipelines.Options | None:
    """What lines may ask of the pipeline that a batch pins; None for an unknown batch."""
    batch = row(
        connection,
        "SELECT pipeline_id FROM batch WHERE id = :id AND tenant_id = :tenant",
        id=batch_id,
        tenant=tenant_id,
    )
    if batch is None:
        return None
    return pipelines.options(connection, batch.pipeline_id)


def finalise(connection: sa.Connection, tenant_id: UUID, batch_id: UUID) -> bool:
    """No more items come: the batch ends when its last scan has. Twice is no error; a listing goes on."""
    return _change(
        connection,
        tenant_id,
        batch_id,
        """UPDATE batch SET state = 'running', finalised_at = coalesce(finalised_at, clock_timestamp())
           WHERE id = :id AND state <> 'listing'""",
    )


def pause(connection: sa.Connection, tenant_id: UUID, batch_id: UUID) -> bool:
    """Admit no more of its scans; what is under way ends. Twice is no error."""
    return _change(
        connection,
        tenant_id,
        batch_id,
        "UPDATE batch SET paused_at = coalesce(paused_at, clock_timestamp()) WHERE id = :id",
    )


def resume(connection: sa.Connection, tenant_id: UUID, batch_id: UUID) -> bool:
    """Go on after a pause. A batch that is not paused stays as it is."""
    return _change(connection, tenant_id, batch_id, "UPDATE batch SET paused_at = NULL WHERE id = :id")


def prioritise(connection: sa.Connection, tenant_id: UUID, batch_id: UUID, priority: int) -> bool:
    """Among a tenant's batches the higher number is admitted first; scans outside of batches count as 0."""
    statement = "UPDATE batch SET priority = :priority WHERE id = :id"
    return _change(connection, tenant_id, batch_id, statement, priority=priority)


def cancel(connection: sa.Connection, tenant_id: UUID, batch_id: UUID) -> bool:
    """Cancel for good: nothing is admitted any more, and ``control`` cancels its scans page by page."""
    return _change(
        connection,
        tenant_id,
        batch_id,
        """UPDATE batch SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
               state = 'running', finalised_at = coalesce(finalised_at, clock_timestamp()) WHERE id = :id""",
    )
