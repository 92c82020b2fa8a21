"""What claimed runs need to read: the results of earlier stages, and the names of their files."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db import pipelines
from db.ledger import Claim
from db.pipelines import StageSpec
from db.sql import rows

MOST_KEPT = 1_000
"""Results a reader keeps in memory, some kilobytes each."""


@dataclass(frozen=True, slots=True)
class NeedRow:
    """How an earlier stage ended; ``artifacts``: name → SHA-256."""

    outcome: str
    code: str | None
    data: Mapping[str, Any]
    provenance: Mapping[str, Any]
    artifacts: Mapping[str, str]


class NeedReader:
    """Reads what runs wait for. Keeps the newest results: they never change, and several stages in a row need each."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[int, sa.Row[Any]] = OrderedDict()

    def needs(self, connection: sa.Connection, spec: StageSpec, claims: Sequence[Claim]) -> list[dict[str, NeedRow]]:
        """For each claimed run of a stage, in order: the stages it waited for, by name."""
        waited_for = {*spec.needs, *spec.optional}
        names = {
            each.id: each.name for each in pipelines.stages(connection, spec.pipeline_id) if each.name in waited_for
        }
        if not names:
            return [{} for _ in claims]
        found = rows(connection, _NEEDS, scans=[str(claim.scan_id) for claim in claims], stages=list(names))
        results = self._results(connection, {r.result_id for r in found if r.result_id is not None})
        needs: dict[UUID, dict[str, NeedRow]] = defaultdict(dict)
        for r in found:
            result = results.get(r.result_id)
            told = (result.data, result.provenance, result.artifacts or {}) if result else ({}, {}, {})
            needs[r.scan_id][names[r.stage_id]] = NeedRow(r.state, r.code, *told)
        return [needs[claim.scan_id] for claim in claims]

    def _results(self, connection: sa.Connection, ids: set[int]) -> dict[int, sa.Row[Any]]:
        missing = sorted(ids - self._kept.keys())
        if missing:
            self._kept.update({r.id: r for r in rows(connection, _RESULTS, ids=missing)})
        results = {each: self._kept[each] for each in ids if each in self._kept}
        for each in results:
            self._kept.move_to_end(each)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return results


_NEEDS = """
    SELECT scan_id, stage_id, state, code, result_id FROM stage_run
    WHERE scan_id = ANY(CAST(:scans AS uuid[])) AND stage_id = ANY(CAST(:stages AS bigint[]))"""

_RESULTS = """
    SELECT id, data, provenance,
           (SELECT jsonb_object_agg(ra.name, a.sha256) FROM result_artifact ra JOIN artifact a ON a.id = ra.artifact_id
            WHERE ra.result_id = result.id) AS artifacts
    FROM result WHERE id = ANY(CAST(:ids AS bigint[]))"""


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
