"""What claimed runs need to read: the results of earlier stages, and the names of their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from db.sql import rows


@dataclass(frozen=True, slots=True)
class NeedRow:
    """How an earlier stage ended; ``artifacts``: name → SHA-256."""

    outcome: str
    code: str | None
    data: Mapping[str, Any]
    provenance: Mapping[str, Any]
    artifacts: Mapping[str, str]


def needs_of(connection: sa.Connection, run_ids: Sequence[int]) -> dict[int, dict[str, NeedRow]]:
    """For each run: the stages it waited for, by name."""
    found = rows(connection, _NEEDS, ids=list(run_ids))
    needs: dict[int, dict[str, NeedRow]] = {run_id: {} for run_id in run_ids}
    for r in found:
        needs[r.run_id][r.name] = NeedRow(r.state, r.code, r.data or {}, r.provenance or {}, r.artifacts or {})
    return needs


_NEEDS = """
    SELECT r.id AS run_id, ns.name, n.state, n.code, result.data, result.provenance,
           (SELECT jsonb_object_agg(ra.name, a.sha256) FROM result_artifact ra JOIN artifact a ON a.id = ra.artifact_id
            WHERE ra.result_id = n.result_id) AS artifacts
    FROM stage_run r
    JOIN stage s ON s.id = r.stage_id
    JOIN stage ns ON ns.pipeline_id = s.pipeline_id AND ns.name = ANY(s.needs || s.optional)
    JOIN stage_run n ON n.scan_id = r.scan_id AND n.stage_id = ns.id
    LEFT JOIN result ON result.id = n.result_id
    WHERE r.id = ANY(CAST(:ids AS bigint[]))"""


@dataclass(frozen=True, slots=True)
class ReadyGroup:
    """Runs of one stage and lane that are ready."""

    stage_id: int
    lane: int
    run_ids: tuple[int, ...]


def stages_of(connection: sa.Connection, run_ids: Sequence[int]) -> list[ReadyGroup]:
    """Those of the named runs that are still ready, by stage, in the order of their stages; urgent ones first."""
    found = rows(
        connection,
        """SELECT r.stage_id, r.lane, array_agg(r.id ORDER BY r.id) AS ids
           FROM stage_run r JOIN stage s ON s.id = r.stage_id
           WHERE r.id = ANY(CAST(:ids AS bigint[])) AND r.state = 'ready'
           GROUP BY r.stage_id, r.lane, s.position ORDER BY r.lane, s.position""",
        ids=list(run_ids),
    )
    return [ReadyGroup(r.stage_id, r.lane, tuple(r.ids)) for r in found]
