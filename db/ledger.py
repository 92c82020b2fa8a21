"""Claiming work and keeping it: leases, fencing tokens, heartbeats, and what happens when a worker dies.

Redis and Celery have no say here. A claim is one UPDATE; whoever holds the newest token of a run may write to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db.locked import lock_scans
from db.settle import Ready, settle
from db.sql import row, rows, run
from pipeline.contracts import Lane

LEASE_S = 30.0
"""Seconds a lease lasts without a heartbeat. A host that vanished is noticed after that."""

CHARGES = 4
"""Charges that make a picture poison: a crash in company counts one at most, each crash alone one, the first two."""

MAX_ATTEMPTS = 100
"""Attempts of one run after which a crash or a lost host ends it as ATTEMPTS_EXHAUSTED: the last resort."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A leased stage run. ``token`` fences: a later write of an older token changes nothing."""

    run_id: int
    token: int
    scan_id: UUID
    tenant_id: UUID
    stage_id: int
    lane: int
    work: str | None
    attempts: int
    options: dict[str, Any]
    input_kind: str
    input_ref: str
    input_sha256: str | None


@dataclass(frozen=True, slots=True)
class First:
    """What is first in the queues: its stage and lane, and whether it must be worked on alone."""

    stage_id: int
    lane: Lane
    alone: bool


def next_stage(
    connection: sa.Connection, queues: Sequence[str], stage_ids: Sequence[int], *, lane: Lane = Lane.BULK
) -> First | None:
    """The first claimable run in these queues.

    With ``lane`` INTERACTIVE only interactive runs are looked at.
    """
    found = row(
        connection,
        """SELECT first.stage_id, first.lane, first.charged > 0 AS alone
           FROM unnest(CAST(:queues AS text[])) AS q(name) CROSS JOIN LATERAL (
               SELECT * FROM stage_run
               WHERE state = 'ready' AND waits_for IS NULL AND queue = q.name AND stage_id = ANY(:stages)
                 AND lane <= :lane AND not_before <= clock_timestamp()
               ORDER BY lane, ready_at, id LIMIT 1) first
           ORDER BY first.lane, first.ready_at, first.id LIMIT 1""",
        queues=list(queues),
        stages=list(stage_ids),
        lane=int(lane),
    )
    return First(found.stage_id, Lane(found.lane), found.alone) if found else None


def claim(
    connection: sa.Connection,
    owner: UUID,
    stage_id: int,
    limit: int,
    *,
    run_ids: Sequence[int] | None = None,
    others: int = 0,
    lease_s: float = LEASE_S,
) -> list[Claim]:
    """Lease up to ``limit`` ready runs of one stage, or those of ``run_ids`` that are still ready.

    ``others`` urgent runs that wait for the same stage may come with named ones. Attempts are counted here, before any
    work. A run that was charged with a crash comes alone. Taken rows are skipped, never waited for; a stale or doubled
    wake-up call simply gets an empty list.
    """
    named = {} if run_ids is None else {"ids": list(run_ids), "others": others}
    statement = _CLAIM_FIRST if run_ids is None else _CLAIM_NAMED
    found = rows(connection, statement, owner=owner, stage=stage_id, limit=limit, lease=lease_s, **named)
    return [Claim(*tuple(r)) for r in sorted(found, key=lambda r: r.id)]


_CLAIM = """
    WITH candidate AS (
        SELECT id, charged FROM stage_run
        WHERE state = 'ready' AND waits_for IS NULL AND stage_id = :stage AND not_before <= clock_timestamp()
          AND {which}
        ORDER BY {first}lane, ready_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    ), chosen AS (
        SELECT id FROM candidate WHERE charged = 0
        UNION ALL
        (SELECT id FROM candidate WHERE charged > 0 AND NOT EXISTS (SELECT FROM candidate WHERE charged = 0)
         ORDER BY id LIMIT 1)
    )
    UPDATE stage_run r SET
        state = 'leased', token = token + 1, attempts = attempts + 1, owner = :owner, code = NULL,
        company = (SELECT count(*) FROM chosen),
        lease_until = clock_timestamp() + make_interval(secs => :lease), started_at = clock_timestamp()
    FROM chosen, scan
    WHERE r.id = chosen.id AND scan.id = r.scan_id AND scan.cancel_requested_at IS NULL
    RETURNING r.id, r.token, r.scan_id, r.tenant_id, r.stage_id, r.lane, r.work, r.attempts,
              scan.options, scan.input_kind, scan.input_ref, scan.input_sha256"""

_CLAIM_FIRST = _CLAIM.format(which="queue = (SELECT queue FROM stage WHERE id = :stage)", first="")
"""Walks the index of ready runs."""

_CLAIM_NAMED = _CLAIM.format(
    which="""id = ANY(CAST(:ids AS bigint[]) || ARRAY(
              SELECT id FROM stage_run
              WHERE state = 'ready' AND waits_for IS NULL AND queue = (SELECT queue FROM stage WHERE id = :stage)
                AND stage_id = :stage AND lane = 0 AND not_before <= clock_timestamp()
                AND NOT EXISTS (SELECT FROM stage_run WHERE id = ANY(CAST(:ids AS bigint[])) AND charged > 0)
              ORDER BY ready_at, id LIMIT :others))""",
    first="id <> ALL(CAST(:ids AS bigint[])), ",
)
"""Goes to the named rows: that index holds every run that was ready since the last vacuum. Whoever is named comes first:
nobody else may have been called for it."""


def start(connection: sa.Connection, scan_ids: Sequence[UUID]) -> None:
    """Scans whose first run has been claimed are running from now on."""
    settle(connection, lock_scans(connection, scan_ids))


def register(connection: sa.Connection, owner: UUID, node: str, pid: int, profile: str) -> None:
    """Announce a worker child before its first claim."""
    run(
        connection,
        "INSERT INTO worker (owner, node, pid, profile) VALUES (:owner, :node, :pid, :profile)",
        owner=owner,
        node=node,
        pid=pid,
        profile=profile,
    )


def heartbeat(connection: sa.Connection, owner: UUID, run_ids: Sequence[int], *, lease_s: float = LEASE_S) -> None:
    """Say that a child lives, and prolong the leases of what it is working on; others that it holds run out.

    A run that is being ended at this moment is skipped: a heartbeat waits for nobody, so it can be in no deadlock.
    """
    run(connection, "UPDATE worker SET seen_at = clock_timestamp() WHERE owner = :owner", owner=owner)
    run(
        connection,
        """WITH held AS (
               SELECT id FROM stage_run WHERE id = ANY(CAST(:ids AS bigint[])) AND owner = :owner AND state = 'leased'
               FOR UPDATE SKIP LOCKED
           )
           UPDATE stage_run r SET lease_until = clock_timestamp() + make_interval(secs => :lease)
           FROM held WHERE r.id = held.id""",
        ids=list(run_ids),
        owner=owner,
        lease=lease_s,
    )


def release(connection: sa.Connection, owner: UUID, *, crashed: bool, code: str = "POISON_INPUT") -> list[Ready]:
    """Give back every lease of a child that is gone.

    ``crashed``: it died at work, so its pictures are charged (see CHARGES); ``code`` is what a picture ends with that
    was charged too often. Otherwise it handed its work back, and nobody is charged.
    """
    held = rows(connection, "SELECT id, scan_id FROM stage_run WHERE owner = :owner AND state = 'leased'", owner=owner)
    return _reopen(connection, [r.id for r in held], [r.scan_id for r in held], crashed=crashed, code=code)


def expire(connection: sa.Connection, limit: int = 500) -> list[Ready]:
    """Re-open leases that ran out: their host is gone, which is nobody's picture's fault."""
    overdue = rows(
        connection,
        """SELECT id, scan_id FROM stage_run WHERE state = 'leased' AND lease_until < clock_timestamp()
           ORDER BY lease_until LIMIT :limit""",
        limit=limit,
    )
    return _reopen(connection, [r.id for r in overdue], [r.scan_id for r in overdue], crashed=False, overdue_only=True)


def _reopen(
    connection: sa.Connection,
    run_ids: Sequence[int],
    scan_ids: Sequence[UUID],
    *,
    crashed: bool,
    code: str = "POISON_INPUT",
    overdue_only: bool = False,
) -> list[Ready]:
    if not run_ids:
        return []
    scans = lock_scans(connection, scan_ids)
    reopened = rows(
        connection,
        _REOPEN,
        ids=list(run_ids),
        crashed=crashed,
        code=code,
        overdue_only=overdue_only,
        charges=CHARGES,
        most=MAX_ATTEMPTS if crashed or overdue_only else None,
    )
    failed = frozenset(r.id for r in reopened if r.state == "failed")
    ready = [Ready(r.id, r.stage_id, r.name, r.queue, r.lane) for r in reopened if r.state == "ready"]
    return ready + settle(connection, scans, failed) if failed else ready


_REOPEN = """
    WITH charge AS (
        SELECT id, CASE WHEN NOT :crashed THEN charged WHEN company > 1 THEN greatest(charged, 1)
                        ELSE greatest(charged, 1) + 1 END AS charged
        FROM stage_run
        WHERE id = ANY(CAST(:ids AS bigint[])) AND state = 'leased'
          AND (NOT :overdue_only OR lease_until < clock_timestamp())
        FOR UPDATE
    ), verdict AS (
        SELECT id, charged, CASE WHEN charged >= :charges THEN :code END AS poison FROM charge
    )
    UPDATE stage_run r SET
        charged = v.charged, token = token + 1, owner = NULL, lease_until = NULL,
        state = CASE WHEN v.poison IS NOT NULL OR r.attempts >= CAST(:most AS int) THEN 'failed' ELSE 'ready' END,
        code = CASE WHEN v.poison IS NOT NULL THEN v.poison WHEN r.attempts >= CAST(:most AS int) THEN 'ATTEMPTS_EXHAUSTED' END,
        finished_at = CASE WHEN v.poison IS NOT NULL OR r.attempts >= CAST(:most AS int) THEN clock_timestamp() END
    FROM verdict v, stage s
    WHERE r.id = v.id AND s.id = r.stage_id
    RETURNING r.id, r.stage_id, r.state, r.lane, r.queue, s.name"""
