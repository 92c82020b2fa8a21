"""Move scans on after some of their runs have ended: ready, skipped, reused, and at last the scan's own end.

The caller has locked the scans (``lock_scans``, always in id order, before any of their runs). Everything here happens
in the caller's transaction, so a result and what follows from it are one fact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db.locked import LockedRun, LockedScan, load_runs, store
from db.pipelines import StageSpec
from db.sql import records, rows, sha256_of
from pipeline.contracts import Lane, RunState, ScanStatus
from pipeline.progress import Ending, advance, verdict


@dataclass(frozen=True, slots=True)
class Ready:
    """A run that may be claimed now, and where its wake-up call goes."""

    run_id: int
    stage_id: int
    stage: str
    queue: str
    lane: int

    @property
    def celery_queue(self) -> str:
        return f"{self.queue}.{Lane(self.lane).name.lower()}"


def settle(
    connection: sa.Connection, scans: Mapping[UUID, LockedScan], ended: frozenset[int] = frozenset()
) -> list[Ready]:
    """Move locked scans on. ``ended``: ids of the runs that the caller has just ended.

    Returns the runs that are ready to be claimed now.
    """
    load_runs(connection, scans)
    for scan in scans.values():
        for each in scan.runs.values():
            if each.id in ended:
                scan.tell_end(each)
    while _advance(connection, scans):
        pass
    _finish(scans)
    store(connection, scans)
    return [
        Ready(each.id, each.spec.id, each.spec.name, each.spec.queue, scan.lane)
        for scan in scans.values()
        for each in scan.runs.values()
        if each.ending.state is RunState.READY and each.moved and each.waits_for is None
    ]


def _advance(connection: sa.Connection, scans: Mapping[UUID, LockedScan]) -> bool:
    """One round: blocked runs move, newly ready ones take an equal answer if there is one. True to go round again."""
    fresh: list[tuple[LockedScan, LockedRun]] = []
    for scan in scans.values():
        if scan.status.terminal:
            continue
        moves = advance([r.spec.waits for r in scan.runs.values()], {n: r.ending for n, r in scan.runs.items()})
        for name, ending in moves.items():
            scan.runs[name].move(ending)
            if ending.state is RunState.SKIPPED:
                scan.tell_end(scan.runs[name])
        fresh.extend((scan, r) for r in scan.runs.values() if r.fresh)
    return _reuse(connection, fresh)


def fingerprint(
    spec: StageSpec, input_sha256: str | None, options: Mapping[str, Any], answer: Callable[[str], str]
) -> str:
    """The work of a run: empty, and so never reused, for a source whose bytes are not known and for who wants it new.

    ``options``: the scan's. ``answer``: name of a stage that it waits for → digest of what that one answered.
    """
    if spec.reuse_for_s == 0:
        return ""
    read = {name: options[name] for name in spec.reads if name in options}
    asked = [read] if read else []
    if not spec.waits_for_others:
        return sha256_of([spec.basis, input_sha256, *asked]) if input_sha256 else ""
    names = sorted({*spec.needs, *spec.optional})
    return sha256_of([spec.basis, [[name, answer(name)] for name in names], *asked])


def no_answer(ending: Ending) -> str:
    """Stands for the digest of a run that left no result."""
    return sha256_of([str(ending.state), ending.code])


def _fingerprint(scan: LockedScan, each: LockedRun) -> str:
    return fingerprint(
        each.spec,
        scan.input_sha256,
        scan.options,
        lambda name: scan.runs[name].digest or no_answer(scan.runs[name].ending),
    )


def _reuse(connection: sa.Connection, fresh: list[tuple[LockedScan, LockedRun]]) -> bool:
    """Newly ready runs take an equal answer, or wait for an equal run of their lane or a faster one to find it."""
    for scan, each in fresh:
        each.work = _fingerprint(scan, each)
    wanted = [
        {
            "run_id": each.id,
            "tenant_id": str(scan.tenant_id),
            "work": each.work,
            "lane": scan.lane,
            "reuse_for_s": each.spec.reuse_for_s,
        }
        for scan, each in fresh
        if each.work
    ]
    if not wanted:
        return False
    known = equal_answers(connection, wanted, kept=True)
    reused = False
    first: dict[tuple[UUID, str], LockedRun] = {}
    for scan, each in sorted(fresh, key=lambda found: (found[0].lane, found[1].id)):
        equal = known.get(each.id)
        if equal is None:
            leader = first.setdefault((scan.tenant_id, each.work), each) if each.work else each
            each.waits_for = None if leader is each else leader.id
            continue
        if equal.result_id is None:
            each.waits_for = equal.computing
            continue
        each.move(Ending(RunState(equal.outcome), equal.code))
        each.digest, each.result_id, each.reused_from = (equal.digest, equal.result_id, equal.made_by)
        scan.tell_end(each)
        reused = True
    return reused


def equal_answers(
    connection: sa.Connection, wanted: Iterable[Mapping[str, object]], *, kept: bool = False
) -> dict[int, sa.Row[Any]]:
    """By ``run_id``: the result that a run with such ``work`` may take, or else the run that is ``computing`` it.

    ``kept``: no deletion takes these results away before this transaction ends.
    """
    statement = _KEEP_EQUAL if kept else _FIND_EQUAL
    return {r.run_id: r for r in rows(connection, statement, wanted=records(wanted))}


_EQUAL = """
    SELECT w.run_id, r.id AS result_id, r.outcome, r.code, r.digest, maker.id AS made_by, leader.id AS computing
    FROM jsonb_to_recordset(CAST(:wanted AS jsonb)) AS w(run_id bigint, tenant_id uuid, work text, lane int,
                                                               reuse_for_s float)
    LEFT JOIN LATERAL (
        SELECT * FROM result
        WHERE tenant_id = w.tenant_id AND work = w.work
          AND (w.reuse_for_s IS NULL
               OR coalesce(computed_at, created_at) > clock_timestamp() - make_interval(secs => w.reuse_for_s))
          AND EXISTS (SELECT FROM worker WHERE worker.profile = result.profile
                                           AND seen_at > clock_timestamp() - interval '1 day')
          AND NOT EXISTS (SELECT FROM result_artifact ra JOIN artifact a ON a.id = ra.artifact_id
                          WHERE ra.result_id = result.id AND a.expired_at IS NOT NULL)
        ORDER BY id LIMIT 1 {kept}) r ON true
    LEFT JOIN LATERAL (
        SELECT id FROM stage_run WHERE result_id = r.id ORDER BY id LIMIT 1) maker ON true
    LEFT JOIN LATERAL (
        SELECT id FROM stage_run
        WHERE r.id IS NULL AND tenant_id = w.tenant_id AND work = w.work AND state IN ('ready', 'leased')
          AND waits_for IS NULL AND charged = 0 AND id <> w.run_id AND lane <= w.lane
        ORDER BY id LIMIT 1) leader ON true
    WHERE r.id IS NOT NULL OR leader.id IS NOT NULL"""
_FIND_EQUAL = _EQUAL.format(kept="")
_KEEP_EQUAL = _EQUAL.format(kept="FOR KEY SHARE OF result")
"""What a foreign key to the result would lock a moment later anyway."""


def _finish(scans: Mapping[UUID, LockedScan]) -> None:
    for scan in scans.values():
        if scan.status.terminal:
            continue
        if scan.status is ScanStatus.QUEUED and any(r.ending.state is not RunState.READY for r in _started(scan)):
            scan.become(ScanStatus.RUNNING)
        end = verdict([r.ending for r in scan.runs.values()])
        if end is not None:
            scan.become(end.status, end.code)


def _started(scan: LockedScan) -> list[LockedRun]:
    """The source stages: they are ready from the start, so one in another state means that work has begun."""
    return [r for r in scan.runs.values() if not r.spec.waits_for_others]
