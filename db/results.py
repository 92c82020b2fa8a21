"""Ending runs: what a stage answered is stored, and everything that follows from it, in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db import erasure
from db.ledger import Claim
from db.locked import lock_scans
from db.settle import Ready, settle
from db.sql import records, rows, sha256_of
from pipeline.contracts import RunState

LOST_AGAIN_S = 1.0
"""Pause before a run whose files were erased meanwhile is done again."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An artifact that lies in storage already."""

    sha256: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class Answer:
    """How one claimed run ends: an outcome with its result, or READY to be tried again ``retry_in_s`` from now."""

    claim: Claim
    outcome: RunState
    code: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    artifacts: Mapping[str, StoredFile] = field(default_factory=dict)
    compute_ms: float | None = None
    retry_in_s: float = 0.0

    @property
    def lasting(self) -> bool:
        """Whether an equal picture would get the same answer: failures are not kept for reuse."""
        return self.outcome in (RunState.OK, RunState.REJECTED, RunState.ABSTAINED)

    @property
    def digest(self) -> str:
        """SHA-256 over the answer and who gave it: a report names the models, so it may not outlive one of them."""
        files = {name: stored.sha256 for name, stored in self.artifacts.items()}
        return sha256_of([str(self.outcome), self.code, dict(self.data), dict(self.provenance), files])


@dataclass(frozen=True, slots=True)
class Completed:
    """What a completion changed: the runs that were still ours, and the ones that are ready now."""

    ended: frozenset[int]
    ready: list[Ready]
    followed: bool = False
    """Whether equal runs wait for one that has ended: ``settle_followers`` lets them go on."""


def complete(connection: sa.Connection, answers: Sequence[Answer], profile: str) -> Completed:
    """End claimed runs. One whose token is not the newest any more is left alone: it was cancelled, or is elsewhere.

    One with a file that was erased after it was stored, as a deleted scan's, is to be done again.
    """
    if any(answer.artifacts for answer in answers):
        erasure.hold(connection)
    scans = lock_scans(connection, {answer.claim.scan_id for answer in answers})
    held = {
        r.id
        for r in rows(
            connection,
            """SELECT r.id FROM stage_run r
               JOIN jsonb_to_recordset(CAST(:claims AS jsonb)) AS c(id bigint, token bigint)
                 ON r.id = c.id AND r.token = c.token
               WHERE r.state = 'leased' FOR UPDATE OF r""",
            claims=records({"id": a.claim.run_id, "token": a.claim.token} for a in answers),
        )
    }
    _erase_leftovers(connection, [answer for answer in answers if answer.claim.scan_id not in scans])
    ours = _with_files(connection, [answer for answer in answers if answer.claim.run_id in held])
    if not ours:
        return Completed(frozenset(), [])
    stored = _store_results(connection, [answer for answer in ours if answer.lasting], profile)
    followed = _end_runs(connection, ours, stored)
    ended = frozenset(answer.claim.run_id for answer in ours if answer.outcome is not RunState.READY)
    return Completed(ended, settle(connection, scans, ended), followed=not followed.isdisjoint(ended))


def _erase_leftovers(connection: sa.Connection, answers: Sequence[Answer]) -> None:
    """Files that were made of a scan while it was deleted."""
    left: dict[UUID, set[str]] = defaultdict(set)
    for answer in answers:
        left[answer.claim.tenant_id] |= {file.sha256 for file in answer.artifacts.values()}
    erasure.ask(connection, left)


def _with_files(connection: sa.Connection, answers: Sequence[Answer]) -> list[Answer]:
    """The answers; those whose files did not stay are to be tried again."""
    files = [(a.claim.run_id, a.claim.tenant_id, f.sha256) for a in answers for f in a.artifacts.values()]
    lost = erasure.lost(connection, files) if files else set()
    return [
        replace(a, outcome=RunState.READY, code=None, artifacts={}, retry_in_s=LOST_AGAIN_S)
        if a.claim.run_id in lost
        else a
        for a in answers
    ]


def _store_results(connection: sa.Connection, answers: Sequence[Answer], profile: str) -> dict[int, sa.Row[Any]]:
    """Result per run id. An equal fingerprint that is there already wins, so effects happen once."""
    if not answers:
        return {}
    artifacts = _store_artifacts(connection, answers)
    made = rows(connection, _INSERT_RESULTS, results=records(_result_row(a) for a in answers), profile=profile)
    result_of = {r.run_id: r for r in made}
    links = [
        {"result_id": result_of[a.claim.run_id].id, "name": name, "artifact_id": artifacts[a.claim.tenant_id, f.sha256]}
        for a in answers
        if result_of[a.claim.run_id].is_maker
        for name, f in a.artifacts.items()
    ]
    if links:
        rows(connection, _LINK_ARTIFACTS, links=records(links))
    return result_of


def _result_row(answer: Answer) -> dict[str, object]:
    return {
        "run_id": answer.claim.run_id,
        "tenant_id": answer.claim.tenant_id,
        "work": answer.claim.work or f"run {answer.claim.run_id}",
        "outcome": str(answer.outcome),
        "code": answer.code,
        "data": dict(answer.data),
        "provenance": dict(answer.provenance),
        "digest": answer.digest,
    }


_INSERT_RESULTS = """
    WITH given AS (
        SELECT * FROM jsonb_to_recordset(CAST(:results AS jsonb)) AS g(run_id bigint, tenant_id uuid, work text,
            outcome text, code text, data jsonb, provenance jsonb, digest text)
    ), numbered AS (
        SELECT g.*, row_number() OVER (PARTITION BY tenant_id, work ORDER BY run_id) AS nth
        FROM given g
    ), made AS (
        INSERT INTO result (tenant_id, work, profile, outcome, code, data, provenance, digest)
        SELECT tenant_id, work, :profile, outcome, code, data, provenance, digest
        FROM numbered WHERE nth = 1 ORDER BY tenant_id, work
        ON CONFLICT (tenant_id, work, profile) DO UPDATE SET computed_at = clock_timestamp()
        RETURNING id, tenant_id, work, outcome, code, xmax = 0 AS is_new
    )
    SELECT n.run_id, made.id, made.outcome, made.code, made.is_new AND n.nth = 1 AS is_maker
    FROM numbered n JOIN made USING (tenant_id, work)"""


def _store_artifacts(connection: sa.Connection, answers: Sequence[Answer]) -> dict[tuple[UUID, str], int]:
    files = {(a.claim.tenant_id, f.sha256): f for a in answers for f in a.artifacts.values()}
    if not files:
        return {}
    made = rows(
        connection,
        """INSERT INTO artifact (tenant_id, sha256, size, media_type)
           SELECT tenant_id, sha256, size, media_type FROM jsonb_to_recordset(CAST(:files AS jsonb))
               AS f(tenant_id uuid, sha256 text, size bigint, media_type text) ORDER BY tenant_id, sha256
           ON CONFLICT (tenant_id, sha256) DO UPDATE SET expired_at = NULL
           RETURNING id, tenant_id, sha256""",
        files=records(
            {"tenant_id": tenant, "sha256": f.sha256, "size": f.size, "media_type": f.media_type}
            for (tenant, _), f in files.items()
        ),
    )
    return {(r.tenant_id, r.sha256): r.id for r in made}


_LINK_ARTIFACTS = """
    INSERT INTO result_artifact (result_id, name, artifact_id)
    SELECT result_id, name, artifact_id
    FROM jsonb_to_recordset(CAST(:links AS jsonb)) AS l(result_id bigint, name text, artifact_id bigint) RETURNING 1"""


def _end_runs(connection: sa.Connection, answers: Sequence[Answer], results: Mapping[int, sa.Row[Any]]) -> set[int]:
    """End the runs; ids of those that equal runs wait for."""
    ends = records(_end_row(answer, results.get(answer.claim.run_id)) for answer in answers)
    return {r.id for r in rows(connection, _END_RUNS, ends=ends) if r.followed}


def _end_row(answer: Answer, result: sa.Row[Any] | None) -> dict[str, object]:
    return {
        "id": answer.claim.run_id,
        "state": result.outcome if result else str(answer.outcome),
        "code": result.code if result else answer.code,
        "result_id": result.id if result else None,
        "compute_ms": answer.compute_ms,
        "retry_in_s": answer.retry_in_s,
    }


_END_RUNS = """
    UPDATE stage_run r SET
        state = e.state, code = e.code, result_id = e.result_id, compute_ms = e.compute_ms, owner = NULL,
        lease_until = NULL,
        not_before = CASE WHEN e.state = 'ready' THEN clock_timestamp() + make_interval(secs => e.retry_in_s)
                          ELSE r.not_before END,
        finished_at = CASE WHEN e.state = 'ready' THEN NULL ELSE clock_timestamp() END
    FROM jsonb_to_recordset(CAST(:ends AS jsonb)) AS e(id bigint, state text, code text, result_id bigint,
                                                       compute_ms float, retry_in_s float)
    WHERE r.id = e.id
    RETURNING r.id, EXISTS (SELECT FROM stage_run f WHERE f.waits_for IS NOT NULL AND f.waits_for = r.id) AS followed"""


def settle_followers(connection: sa.Connection, leaders: Sequence[int] | None = None) -> list[Ready]:
    """Runs that waited for an equal one which has ended: they take its answer, or compute themselves.

    ``leaders`` limits the look to followers of these runs; ``control`` calls it without, for any that were missed.
    """
    waiting = rows(
        connection,
        """SELECT f.id, f.scan_id FROM stage_run f LEFT JOIN stage_run l ON l.id = f.waits_for
           WHERE f.waits_for IS NOT NULL AND f.state = 'ready'
             AND (CAST(:leaders AS bigint[]) IS NULL OR f.waits_for = ANY(CAST(:leaders AS bigint[])))
             AND (l.id IS NULL OR l.state NOT IN ('ready', 'leased')) LIMIT 500""",
        leaders=list(leaders) if leaders is not None else None,
    )
    if not waiting:
        return []
    scans = lock_scans(connection, {r.scan_id for r in waiting})
    rows(
        connection,
        """UPDATE stage_run SET waits_for = NULL, work = NULL, state = 'blocked'
           WHERE id = ANY(CAST(:ids AS bigint[])) AND state = 'ready' AND waits_for IS NOT NULL RETURNING 1""",
        ids=[r.id for r in waiting],
    )
    return settle(connection, scans)
