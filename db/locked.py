"""Scans under lock, in memory: read with all their runs, changed by ``settle``, written back in a few statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db import pipelines
from db.pipelines import StageSpec
from db.sql import records, rows, run
from pipeline.contracts import RunState, ScanStatus
from pipeline.progress import Ending


@dataclass(slots=True)
class LockedRun:
    """A stage run in memory while its scan is being moved on."""

    id: int
    spec: StageSpec
    ending: Ending
    digest: str | None
    work: str | None
    waits_for: int | None = None
    result_id: int | None = None
    reused_from: int | None = None
    moved: bool = False

    @property
    def fresh(self) -> bool:
        """Ready in this transaction, and not yet looked up among equal answers."""
        return self.moved and self.ending.state is RunState.READY and self.work is None

    def move(self, ending: Ending) -> None:
        self.ending = ending
        self.moved = True


@dataclass(slots=True)
class LockedScan:
    """A locked scan in memory."""

    id: UUID
    tenant_id: UUID
    batch_id: UUID | None
    pipeline_id: int
    lane: int
    status: ScanStatus
    code: str | None
    event_seq: int
    input_sha256: str | None
    runs: dict[str, LockedRun] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    status_was: ScanStatus | None = None

    def tell(self, kind: str, data: Mapping[str, Any]) -> None:
        self.event_seq += 1
        self.events.append({"scan_id": str(self.id), "seq": self.event_seq, "kind": kind, "data": dict(data)})

    def tell_end(self, ended: LockedRun) -> None:
        self.tell(
            "stage",
            {
                "stage": ended.spec.name,
                "state": str(ended.ending.state),
                "code": ended.ending.code,
                "reused": ended.reused_from is not None,
            },
        )

    def become(self, status: ScanStatus, code: str | None = None) -> None:
        self.status_was = self.status_was or self.status
        self.status, self.code = status, code
        self.tell("status", {"status": str(status), "code": code})


def lock_scans(connection: sa.Connection, scan_ids: Iterable[UUID]) -> dict[UUID, LockedScan]:
    """Lock scans in id order: every transition of a scan happens under this lock."""
    found = rows(
        connection,
        """SELECT id, tenant_id, batch_id, pipeline_id, lane, status, code, event_seq, input_sha256
           FROM scan WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE""",
        ids=sorted({str(scan_id) for scan_id in scan_ids}),
    )
    return {
        r.id: LockedScan(
            r.id,
            r.tenant_id,
            r.batch_id,
            r.pipeline_id,
            r.lane,
            ScanStatus(r.status),
            r.code,
            r.event_seq,
            r.input_sha256,
        )
        for r in found
    }


def load_runs(connection: sa.Connection, scans: Mapping[UUID, LockedScan]) -> None:
    """Read the runs of locked scans, in pipeline order."""
    found = rows(
        connection,
        """SELECT r.id, r.scan_id, r.stage_id, r.state, r.code, r.work, r.waits_for, r.attempts, result.digest
           FROM stage_run r LEFT JOIN result ON result.id = r.result_id
           WHERE r.scan_id = ANY(CAST(:ids AS uuid[]))""",
        ids=[str(scan_id) for scan_id in scans],
    )
    specs = {
        spec.id: spec
        for pipeline_id in {scan.pipeline_id for scan in scans.values()}
        for spec in pipelines.stages(connection, pipeline_id)
    }
    for r in sorted(found, key=lambda r: specs[r.stage_id].position):
        spec = specs[r.stage_id]
        state = RunState(r.state)
        loaded = LockedRun(r.id, spec, Ending(state, r.code), r.digest, r.work, r.waits_for)
        loaded.moved = state is RunState.READY and r.work is None and r.attempts == 0 and not spec.waits_for_others
        scans[r.scan_id].runs[spec.name] = loaded


def store(connection: sa.Connection, scans: Mapping[UUID, LockedScan]) -> None:
    """Write back what changed: runs, events, the scans' own status, and notes for the counts."""
    moved = [
        {
            "id": r.id,
            "state": str(r.ending.state),
            "code": r.ending.code,
            "work": r.work or None,
            "waits_for": r.waits_for,
            "result_id": r.result_id,
            "reused_from": r.reused_from,
        }
        for scan in scans.values()
        for r in scan.runs.values()
        if r.moved
    ]
    if moved:
        run(connection, _STORE_RUNS, runs=records(moved))
    events = [event for scan in scans.values() for event in scan.events]
    if events:
        run(connection, _STORE_EVENTS, events=records(events))
        run(connection, _STORE_SCANS, scans=records(_scan_rows(scans)))
    _store_deltas(connection, scans)


def _scan_rows(scans: Mapping[UUID, LockedScan]) -> list[dict[str, object]]:
    return [
        {"id": str(s.id), "status": str(s.status), "code": s.code, "seq": s.event_seq, "ended": s.status.terminal}
        for s in scans.values()
        if s.events
    ]


def _store_deltas(connection: sa.Connection, scans: Mapping[UUID, LockedScan]) -> None:
    """Note changes of status, as −1 of the old one and +1 of the new one."""
    deltas: dict[tuple[str, str | None, str], int] = defaultdict(int)
    for scan in scans.values():
        if scan.status_was is not None:
            batch = str(scan.batch_id) if scan.batch_id else None
            deltas[str(scan.tenant_id), batch, str(scan.status)] += 1
            deltas[str(scan.tenant_id), batch, str(scan.status_was)] -= 1
    found = [
        {"tenant_id": tenant, "batch_id": batch, "status": status, "delta": delta}
        for (tenant, batch, status), delta in deltas.items()
        if delta
    ]
    if found:
        run(connection, _STORE_DELTAS, deltas=records(found))


_STORE_RUNS = """
    UPDATE stage_run r SET
        state = m.state, code = m.code, work = m.work, waits_for = m.waits_for,
        result_id = coalesce(m.result_id, r.result_id), reused_from = m.reused_from,
        ready_at = CASE WHEN m.state = 'ready' THEN coalesce(r.ready_at, clock_timestamp()) ELSE r.ready_at END,
        finished_at = CASE WHEN m.state = 'ready' THEN NULL ELSE clock_timestamp() END
    FROM jsonb_to_recordset(CAST(:runs AS jsonb)) AS m(id bigint, state text, code text, work text, waits_for bigint,
                                                       result_id bigint, reused_from bigint)
    WHERE r.id = m.id AND r.state IN ('blocked', 'ready')"""

_STORE_EVENTS = """
    INSERT INTO event (scan_id, seq, kind, data)
    SELECT scan_id, seq, kind, data
    FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS e(scan_id uuid, seq bigint, kind text, data jsonb)"""

_STORE_SCANS = """
    UPDATE scan SET status = m.status, code = m.code, event_seq = m.seq,
        started_at = CASE WHEN m.status <> 'queued' THEN coalesce(started_at, clock_timestamp()) END,
        finished_at = CASE WHEN m.ended THEN coalesce(finished_at, clock_timestamp()) END
    FROM jsonb_to_recordset(CAST(:scans AS jsonb)) AS m(id uuid, status text, code text, seq bigint, ended boolean)
    WHERE scan.id = m.id"""

_STORE_DELTAS = """
    INSERT INTO count_delta (tenant_id, batch_id, status, delta)
    SELECT tenant_id, batch_id, status, delta
    FROM jsonb_to_recordset(CAST(:deltas AS jsonb)) AS d(tenant_id uuid, batch_id uuid, status text, delta bigint)"""
