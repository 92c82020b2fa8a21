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
from db.webhook_events import TELL_SCANS
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
    options: Mapping[str, Any]
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
        """SELECT id, tenant_id, batch_id, pipeline_id, lane, status, code, event_seq, input_sha256, options
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
            r.options,
        )
        for r in found
    }


def load_runs(connection: sa.Connection, scans: Mapping[UUID, LockedScan]) -> None:
    """Read the runs of locked scans, in pipeline order."""
    found = rows(connection, _LOAD_RUNS, ids=[str(scan_id) for scan_id in scans])
    for r in found:
        scan = scans[r.scan_id]
        specs = {spec.id: spec for spec in pipelines.stages(connection, scan.pipeline_id)}
        columns = zip(r.ids, r.stages, r.states, r.codes, r.digests, r.works, r.leaders, r.attempts, strict=True)
        loaded = [_loaded(specs[stage_id], run_id, *rest) for run_id, stage_id, *rest in columns]
        scan.runs = {each.spec.name: each for each in sorted(loaded, key=lambda each: each.spec.position)}


def _loaded(
    spec: StageSpec,
    run_id: int,
    state: str,
    code: str | None,
    digest: str | None,
    work: str | None,
    leader: int | None,
    attempts: int,
) -> LockedRun:
    fresh = state == RunState.READY and work is None and attempts == 0 and not spec.waits_for_others
    return LockedRun(run_id, spec, Ending(RunState(state), code), digest, work, leader, moved=fresh)


_LOAD_RUNS = """
    SELECT scan_id, array_agg(id) AS ids, array_agg(stage_id) AS stages, array_agg(state) AS states,
           array_agg(code) AS codes, array_agg(work) AS works, array_agg(waits_for) AS leaders,
           array_agg(attempts) AS attempts, array_agg((SELECT digest FROM result WHERE id = r.result_id)) AS digests
    FROM stage_run r WHERE scan_id = ANY(CAST(:ids AS uuid[])) GROUP BY scan_id"""
"""One row per scan: a row per run would cost more to take apart than to read."""


def store(connection: sa.Connection, scans: Mapping[UUID, LockedScan]) -> None:
    """Write back what changed, in one statement: runs, events, status, notes for the counts, and for webhooks."""
    moved = [_run_row(each) for scan in scans.values() for each in scan.runs.values() if each.moved]
    events = [event for scan in scans.values() for event in scan.events]
    ends = _end_rows(scans)
    if moved or events:
        run(
            connection,
            _STORE_ENDS if ends else _STORE,
            runs=records(moved),
            events=records(events),
            scans=records(_scan_rows(scans)),
            deltas=records(_delta_rows(scans)),
            ends=records(ends),
        )


def _run_row(each: LockedRun) -> dict[str, object]:
    return {
        "id": each.id,
        "state": str(each.ending.state),
        "code": each.ending.code,
        "work": each.work or None,
        "waits_for": each.waits_for,
        "result_id": each.result_id,
        "reused_from": each.reused_from,
    }


def _scan_rows(scans: Mapping[UUID, LockedScan]) -> list[dict[str, object]]:
    return [
        {"id": str(s.id), "status": str(s.status), "code": s.code, "seq": s.event_seq, "ended": s.status.terminal}
        for s in scans.values()
        if s.events
    ]


def _end_rows(scans: Mapping[UUID, LockedScan]) -> list[dict[str, object]]:
    """Scans that end now, as ``TELL_SCANS`` reads them."""
    return [
        {
            "id": s.id,
            "status": str(s.status),
            "code": s.code,
            "tenant_id": s.tenant_id,
            "batch_id": s.batch_id,
            "pipeline_id": s.pipeline_id,
        }
        for s in scans.values()
        if s.status_was is not None and s.status.terminal
    ]


def _delta_rows(scans: Mapping[UUID, LockedScan]) -> list[dict[str, object]]:
    """Changes of status, as −1 of the old one and +1 of the new one."""
    deltas: dict[tuple[str, str | None, str], int] = defaultdict(int)
    for scan in scans.values():
        if scan.status_was is not None:
            batch = str(scan.batch_id) if scan.batch_id else None
            deltas[str(scan.tenant_id), batch, str(scan.status)] += 1
            deltas[str(scan.tenant_id), batch, str(scan.status_was)] -= 1
    return [
        {"tenant_id": tenant, "batch_id": batch, "status": status, "delta": delta}
        for (tenant, batch, status), delta in deltas.items()
        if delta
    ]


_CHANGES = """
    WITH moved AS (
        UPDATE stage_run r SET
            state = m.state, code = m.code, work = m.work, waits_for = m.waits_for,
            result_id = coalesce(m.result_id, r.result_id), reused_from = m.reused_from,
            ready_at = CASE WHEN m.state = 'ready' THEN coalesce(r.ready_at, clock_timestamp()) ELSE r.ready_at END,
            finished_at = CASE WHEN m.state = 'ready' THEN NULL ELSE clock_timestamp() END
        FROM jsonb_to_recordset(CAST(:runs AS jsonb)) AS m(id bigint, state text, code text, work text,
                                                           waits_for bigint, result_id bigint, reused_from bigint)
        WHERE r.id = m.id AND r.state IN ('blocked', 'ready')
    ), told AS (
        INSERT INTO event (scan_id, seq, kind, data)
        SELECT scan_id, seq, kind, data
        FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS e(scan_id uuid, seq bigint, kind text, data jsonb)
    ), counted AS (
        INSERT INTO count_delta (tenant_id, batch_id, status, delta)
        SELECT tenant_id, batch_id, status, delta
        FROM jsonb_to_recordset(CAST(:deltas AS jsonb)) AS d(tenant_id uuid, batch_id uuid, status text, delta bigint)
    )"""
_SCANS = """
    UPDATE scan SET status = m.status, code = m.code, event_seq = m.seq,
        started_at = CASE WHEN m.status <> 'queued' THEN coalesce(started_at, clock_timestamp()) END,
        finished_at = CASE WHEN m.ended THEN coalesce(finished_at, clock_timestamp()) END
    FROM jsonb_to_recordset(CAST(:scans AS jsonb)) AS m(id uuid, status text, code text, seq bigint, ended boolean)
    WHERE scan.id = m.id"""
_STORE = _CHANGES + _SCANS
_STORE_ENDS = f"{_CHANGES}, told_webhooks AS (\n        {TELL_SCANS}\n    ){_SCANS}"
