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


def stages_of(connection: sa.Connection, run_ids: Sequence[int]) -> dict[int, list[int]]:
    """Runs of a wake-up call that are still ready, by stage."""
    found = rows(
        connection,
        """SELECT id, stage_id FROM stage_run
           WHERE id = ANY(CAST(:ids AS bigint[])) AND state = 'ready' ORDER BY id""",
        ids=list(run_ids),
    )
    by_stage: dict[int, list[int]] = {}
    for r in found:
        by_stage.setdefault(r.stage_id, []).append(r.id)
    return by_stage
