"""Scans begin and are cancelled here. Every statement has the tenant in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db import erasure, pipelines
from db.consent import Word
from db.locked import LockedScan, lock_scans, store
from db.settle import Ready, settle
from db.sql import row, rows, run
from pipeline.contracts import InputKind, Lane, ScanStatus
from pipeline.errors import IdempotencyConflict, ModelUnavailable, NotFound

AT_ONCE = 8
"""Interactive scans that a tenant may have under way and still start another with its request; more wait for ``control``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewScan:
    """A scan to be accepted. ``input_ref`` is a storage key or a URL, by ``input_kind``.

    ``stored_s``: the bytes of an upload were put into storage within so many seconds before.
    """

    tenant_id: UUID
    system: str
    lane: Lane
    input_kind: InputKind
    input_ref: str
    input_sha256: str | None = None
    filename: str | None = None
    options: Mapping[str, Any]
    idempotency_key: str | None = None
    request_sha256: str = ""
    retry_of: UUID | None = None
    consent: Word | None = None
    stored_s: float = 0.0
    asset_id: str | None = None
    taken_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """The scan that stands for a submission; ``created`` is false for a repeated Idempotency-Key."""

    scan_id: UUID
    created: bool
    ready: list[Ready]


def submit(connection: sa.Connection, new: NewScan) -> Submitted:
    """Accept a scan: when the caller's transaction commits, it will be worked on.

    An interactive scan gets its stage runs now, unless its tenant has many under way; that one, and a bulk one, when
    ``control`` admits it. Raises IdempotencyConflict when the key came with another request before, ModelUnavailable
    when no pipeline is published for the system, NotFound when the scan to be retried was deleted meanwhile,
    StorageUnavailable when the picture's bytes are being erased this moment.
    """
    pipeline = pipelines.current(connection, new.system)
    if pipeline is None:
        raise ModelUnavailable(f"no pipeline is published for {new.system}")
    if new.idempotency_key is not None and (known := _known(connection, new)):
        return Submitted(known, created=False, ready=[])
    _check_input(connection, new)
    scan_id = _insert(connection, new, pipeline.id)
    at_once = new.lane is Lane.INTERACTIVE and _is_its_turn(connection, new.tenant_id, scan_id)
    return Submitted(scan_id, created=True, ready=expand(connection, [scan_id]) if at_once else [])


def _check_input(connection: sa.Connection, new: NewScan) -> None:
    """Be sure that the bytes are there and stay."""
    if new.retry_of is not None:
        erasure.hold(connection)
        if not rows(connection, "SELECT 1 FROM scan WHERE id = :id FOR KEY SHARE", id=new.retry_of):
            raise NotFound
    elif new.input_kind is InputKind.UPLOAD and new.input_sha256 is not None:
        erasure.check_stored(connection, new.tenant_id, [new.input_sha256], new.stored_s)


def _is_its_turn(connection: sa.Connection, tenant_id: UUID, scan_id: UUID) -> bool:
    """Whether an interactive scan may begin with its request: none of its tenant's waits, and few are under way."""
    found = row(connection, _ITS_TURN, tenant=tenant_id, id=scan_id, most=AT_ONCE)
    assert found is not None
    return bool(found.yes)


_ITS_TURN = """
    SELECT NOT EXISTS (
        SELECT FROM scan WHERE tenant_id = :tenant AND lane = 0 AND admitted_at IS NULL AND id <> CAST(:id AS uuid)
    ) AND (
        SELECT count(*) FROM (
            SELECT FROM scan
            WHERE tenant_id = :tenant AND lane = 0 AND admitted_at IS NOT NULL AND finished_at IS NULL LIMIT :most) u
    ) < :most AS yes"""


def _insert(connection: sa.Connection, new: NewScan, pipeline_id: int) -> UUID:
    made = row(
        connection,
        """WITH made AS (
               INSERT INTO scan (tenant_id, pipeline_id, lane, options, filename, asset_id, taken_at, input_kind,
                                 input_ref, input_sha256, retry_of, event_seq, training, training_by, training_at)
               VALUES (:tenant, :pipeline, :lane, CAST(:options AS jsonb), :filename, :asset, :taken, :kind, :ref, :sha,
                       :retry_of, 1, CAST(:training AS boolean), CAST(:said_by AS text),
                       CASE WHEN CAST(:training AS boolean) IS NOT NULL
                            THEN coalesce(CAST(:said_at AS timestamptz), clock_timestamp()) END)
               RETURNING id
           ), told AS (
               INSERT INTO event (scan_id, seq, kind, data)
               SELECT id, 1, 'status', '{"status": "queued", "code": null}' FROM made
           ), counted AS (
               INSERT INTO count_delta (tenant_id, batch_id, status, delta)
               VALUES (:tenant, NULL, 'queued', 1)
           ), remembered AS (
               INSERT INTO idempotency_key (tenant_id, key, request_sha256, scan_id)
               SELECT :tenant, :key, :request, id FROM made WHERE CAST(:key AS text) IS NOT NULL
           )
           SELECT id FROM made""",
        tenant=new.tenant_id,
        pipeline=pipeline_id,
        lane=int(new.lane),
        options=json.dumps(dict(new.options)),
        filename=new.filename,
        asset=new.asset_id,
        taken=new.taken_at,
        kind=str(new.input_kind),
        ref=new.input_ref,
        sha=new.input_sha256,
        retry_of=new.retry_of,
        training=new.consent.training if new.consent else None,
        said_by=new.consent.by if new.consent else None,
        said_at=new.consent.at if new.consent else None,
        key=new.idempotency_key,
        request=new.request_sha256,
    )
    assert made is not None
    return UUID(str(made.id))


def _known(connection: sa.Connection, new: NewScan) -> UUID | None:
    """The scan that this tenant's Idempotency-Key made before. Submissions of one key wait for each other here."""
    run(
        connection,
        "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))",
        key=f"{new.tenant_id} {new.idempotency_key}",
    )
    before = row(
        connection,
        "SELECT request_sha256, scan_id FROM idempotency_key WHERE tenant_id = :tenant AND key = :key",
        tenant=new.tenant_id,
        key=new.idempotency_key,
    )
    if before is None:
        return None
    if before.request_sha256 != new.request_sha256:
        raise IdempotencyConflict
    return UUID(str(before.scan_id))


def expand(connection: sa.Connection, scan_ids: Sequence[UUID]) -> list[Ready]:
    """Give scans their stage runs, by SQL alone, and move them on: an equal picture's answers are taken at once."""
    run(connection, _EXPAND, ids=[str(scan_id) for scan_id in scan_ids])
    return settle(connection, lock_scans(connection, scan_ids))


_EXPAND = """
    WITH admitted AS (
        UPDATE scan SET admitted_at = clock_timestamp()
        WHERE id = ANY(CAST(:ids AS uuid[])) AND admitted_at IS NULL RETURNING *
    )
    INSERT INTO stage_run (scan_id, stage_id, tenant_id, queue, lane, state, code, ready_at)
    SELECT a.id, s.id, a.tenant_id, s.queue, a.lane,
           CASE WHEN off THEN 'skipped' WHEN source THEN 'ready' ELSE 'blocked' END,
           CASE WHEN off THEN 'SWITCHED_OFF' END,
           CASE WHEN source AND NOT off THEN clock_timestamp() END
    FROM admitted a JOIN stage s ON s.pipeline_id = a.pipeline_id,
         LATERAL (SELECT coalesce(a.options ->> s.switch = 'false', false) AS off,
                         cardinality(s.needs) + cardinality(s.optional) = 0 AS source) f
    ORDER BY a.id, s.position"""


def cancel(connection: sa.Connection, tenant_id: UUID, scan_id: UUID) -> str | None:
    """Cancel a scan for good: nothing of it starts after this commits, and what runs is fenced out.

    Returns its status (``cancelled``, or the one it had already ended with), None for an unknown id.
    """
    found = lock_scans(connection, [scan_id]).get(scan_id)
    if found is None or found.tenant_id != tenant_id:
        return None
    _cancel(connection, {scan_id: found}, "CANCELLED")
    return str(found.status)


def cancel_all(connection: sa.Connection, scan_ids: Sequence[UUID], code: str) -> None:
    """Cancel the scans of these that have not ended; ``code`` says why."""
    _cancel(connection, lock_scans(connection, scan_ids), code)


def _cancel(connection: sa.Connection, locked: Mapping[UUID, LockedScan], code: str) -> None:
    open_ones = {scan_id: scan for scan_id, scan in locked.items() if not scan.status.terminal}
    ids = [str(scan_id) for scan_id in open_ones]
    if not ids:
        return
    run(
        connection,
        """UPDATE stage_run SET state = 'cancelled', code = :code, token = token + 1, waits_for = NULL,
               owner = NULL, lease_until = NULL, finished_at = clock_timestamp()
           WHERE scan_id = ANY(CAST(:ids AS uuid[])) AND state IN ('blocked', 'ready', 'leased')""",
        ids=ids,
        code=code,
    )
    # After the runs: whoever claimed one just before has then started it before the cancel, not after it.
    run(
        connection,
        """UPDATE scan SET cancel_requested_at = clock_timestamp(), admitted_at = coalesce(admitted_at, created_at)
           WHERE id = ANY(CAST(:ids AS uuid[]))""",
        ids=ids,
    )
    for scan in open_ones.values():
        scan.become(ScanStatus.CANCELLED, code)
    store(connection, open_ones)


def source(connection: sa.Connection, tenant_id: UUID, scan_id: UUID) -> NewScan | None:
    """The submission that would repeat a scan, for ``retry``; None for an unknown id."""
    r = row(
        connection,
        """SELECT s.*, p.system FROM scan s JOIN pipeline p ON p.id = s.pipeline_id
           WHERE s.tenant_id = :tenant AND s.id = :id""",
        tenant=tenant_id,
        id=scan_id,
    )
    if r is None:
        return None
    return NewScan(
        tenant_id=tenant_id,
        system=r.system,
        lane=Lane(r.lane),
        input_kind=InputKind(r.input_kind),
        input_ref=r.input_ref,
        input_sha256=r.input_sha256,
        filename=r.filename,
        options=r.options,
        retry_of=scan_id,
        consent=None if r.training is None else Word(r.training, r.training_by, r.training_at),
        asset_id=r.asset_id,
        taken_at=r.taken_at,
    )
