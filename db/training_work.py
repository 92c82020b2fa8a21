"""Working on training runs: the lease, the fencing token, the checkpoint, the end. As in ``db.ledger``, a claim is one UPDATE.

Whoever holds the newest token of a running run may write to it; every other write changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db.sql import row, rows, run
from db.webhook_events import tell_trainings

MOST_DEATHS = 3
"""Times a run may lose its worker or its process before it fails; being handed back costs nothing."""


@dataclass(frozen=True, slots=True)
class TrainingClaim:
    """A run under lease. ``checkpoint``: SHA-256 of the file to go on from; ``files``: what it has made so far."""

    id: UUID
    token: int
    tenant_id: UUID
    recipe: str
    parameters: dict[str, Any]
    checkpoint: str | None
    files: dict[str, Any]
    attempts: int


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended: ``succeeded`` or ``failed``, and what it leaves; no ``files``: those that were kept before."""

    state: str
    code: str | None = None
    detail: str | None = None
    files: Mapping[str, Any] | None = None
    versions: Sequence[Mapping[str, Any]] = ()


def claim(
    connection: sa.Connection,
    owner: UUID,
    recipes: Sequence[str],
    lease_s: float,
    run_ids: Sequence[str] | None = None,
) -> TrainingClaim | None:
    """Lease the oldest run that waits, of these recipes, or of those that are named. Taken rows are skipped."""
    named = {} if run_ids is None else {"ids": list(run_ids)}
    taken = row(
        connection,
        _CLAIM_FIRST if run_ids is None else _CLAIM_NAMED,
        owner=owner,
        lease=lease_s,
        recipes=list(recipes),
        **named,
    )
    return TrainingClaim(*tuple(taken)) if taken else None


_CLAIM = """
    UPDATE training_run SET
      state = 'running', token = token + 1, attempts = attempts + 1, owner = :owner,
      lease_until = clock_timestamp() + make_interval(secs => CAST(:lease AS double precision)),
      started_at = coalesce(started_at, clock_timestamp())
    WHERE id = (SELECT id FROM training_run
                WHERE state IN ('queued', 'interrupted') AND recipe = ANY(CAST(:recipes AS text[])) AND {which}
                ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, token, tenant_id, recipe, parameters, checkpoint, files, attempts"""
_CLAIM_FIRST = _CLAIM.format(which="true")
_CLAIM_NAMED = _CLAIM.format(which="id = ANY(CAST(:ids AS uuid[]))")


def beat(connection: sa.Connection, held: TrainingClaim, progress: Mapping[str, Any], lease_s: float) -> bool | None:
    """Prolong the lease and keep the progress. Whether the run is to be cancelled; None when it is no longer ours."""
    found = row(
        connection,
        """UPDATE training_run SET
             lease_until = clock_timestamp() + make_interval(secs => CAST(:lease AS double precision)),
             progress = progress || CAST(:progress AS jsonb)
           WHERE id = :id AND token = :token AND state = 'running'
           RETURNING cancel_requested_at IS NOT NULL AS cancelled""",
        id=held.id,
        token=held.token,
        lease=lease_s,
        progress=json.dumps(dict(progress)),
    )
    return bool(found.cancelled) if found else None


def keep_checkpoint(
    connection: sa.Connection, held: TrainingClaim, sha256: str | None, files: Mapping[str, Any]
) -> list[str]:
    """From now on the run goes on from that file, or from none, and from what it has made so far.

    Returns the SHA-256 of a checkpoint that no run needs any more, if any.
    """
    before = row(
        connection,
        """SELECT checkpoint FROM training_run WHERE id = :id AND token = :token AND state = 'running' FOR UPDATE""",
        id=held.id,
        token=held.token,
    )
    if before is None:
        return []
    run(
        connection,
        "UPDATE training_run SET checkpoint = :sha, files = CAST(:files AS jsonb) WHERE id = :id",
        sha=sha256,
        files=json.dumps(dict(files)),
        id=held.id,
    )
    gone = None if before.checkpoint == sha256 else before.checkpoint
    return [] if gone is None else _unneeded(connection, held.tenant_id, gone)


def finish(connection: sa.Connection, held: TrainingClaim, end: End) -> str | None:
    """End a run; the state it ended in, or None when it is no longer ours. What is to be cancelled does not succeed."""
    ended = row(
        connection,
        """UPDATE training_run SET
             state = CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled' ELSE :state END,
             code = CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED' ELSE :code END,
             detail = :detail, files = coalesce(CAST(:files AS jsonb), files), versions = CAST(:versions AS jsonb),
             owner = NULL, lease_until = NULL, finished_at = clock_timestamp()
           WHERE id = :id AND token = :token AND state = 'running' RETURNING state""",
        id=held.id,
        token=held.token,
        state=end.state,
        code=end.code,
        detail=end.detail,
        files=None if end.files is None else json.dumps(dict(end.files)),
        versions=json.dumps([dict(each) for each in end.versions]),
    )
    tell_trainings(connection, [held.id] if ended else [])
    return str(ended.state) if ended else None


def hand_back(connection: sa.Connection, held: TrainingClaim, *, died: bool) -> str | None:
    """Let go of a run that is not over: its process ``died``, or this worker stops. The state it is in, None if not ours."""
    changed = _let_go(connection, "id = :id AND token = :token", died=died, id=held.id, token=held.token)
    return changed[0].state if changed else None


def release(connection: sa.Connection, owner: UUID, *, died: bool) -> list[UUID]:
    """Let go of whatever a worker child held that is gone. Ids of the runs that somebody else may take."""
    return _waiting(_let_go(connection, "owner = :owner", died=died, owner=owner))


def expire(connection: sa.Connection) -> list[UUID]:
    """Let go of runs whose lease ran out: their host is gone. Ids of the runs that somebody else may take."""
    return _waiting(_let_go(connection, "lease_until < clock_timestamp()", died=True))


def _let_go(connection: sa.Connection, which: str, *, died: bool, **parameters: object) -> Sequence[sa.Row[Any]]:
    changed = rows(connection, _LET_GO.format(which=which), deaths=int(died), most=MOST_DEATHS, **parameters)
    tell_trainings(connection, [each.id for each in changed if each.state != "interrupted"])
    return changed


_LET_GO = """
    WITH verdict AS (
      SELECT id, charged + CAST(:deaths AS int) AS charged,
             CASE WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
                  WHEN charged + CAST(:deaths AS int) >= :most THEN 'failed' ELSE 'interrupted' END AS state
      FROM training_run WHERE state = 'running' AND {which} ORDER BY id FOR UPDATE
    )
    UPDATE training_run r SET
      state = v.state, charged = v.charged, token = token + 1, owner = NULL, lease_until = NULL,
      code = CASE v.state WHEN 'cancelled' THEN 'CANCELLED' WHEN 'failed' THEN 'TRAINING_INTERRUPTED' END,
      finished_at = CASE WHEN v.state <> 'interrupted' THEN clock_timestamp() END
    FROM verdict v WHERE r.id = v.id RETURNING r.id, r.state"""


def _waiting(changed: Sequence[sa.Row[Any]]) -> list[UUID]:
    return [each.id for each in changed if each.state == "interrupted"]


def _unneeded(connection: sa.Connection, tenant_id: UUID, sha256: str) -> list[str]:
    """The file, unless a run of the tenant still goes on from it."""
    needed = rows(
        connection,
        "SELECT 1 FROM training_run WHERE checkpoint = :sha AND tenant_id = :tenant LIMIT 1",
        sha=sha256,
        tenant=tenant_id,
    )
    return [] if needed else [sha256]
