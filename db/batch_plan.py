"""What doing a batch again would take: which stages differ, how many runs are computed, how long that took before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db import pipelines
from db.batches import locked
from db.foresight import Foresight, Line, Tally
from db.pipelines import PipelineRow, StageSpec
from db.sql import row, rows
from pipeline.errors import BatchClosed, ModelUnavailable

PAGE = 500
MOST_LINES = 10_000
"""Lines that are looked at one by one. Of a longer batch every k-th is, and the figures are multiplied."""
TIMED_LINES = 500
"""Lines whose recorded durations are read."""


@dataclass(slots=True)
class Plan:
    """A plan in the making: call ``look`` until it is False, then ``told``."""

    batch_id: UUID
    items: int
    before: Sequence[StageSpec]
    pipeline: PipelineRow
    foresight: Foresight
    options: Mapping[str, Any]
    looked_at: int = 0
    scans: int = 0
    refused: int = 0
    missing: int = 0
    switched: Counter[str] = field(default_factory=Counter)
    """Option → lines for which it changes."""
    _place: int = 0

    def look(self, connection: sa.Connection) -> bool:
        """Take the next page of lines; False when there are no more."""
        step = max(1, ceil(self.items / MOST_LINES))
        found = rows(connection, _LINES, batch=self.batch_id, after=self._place, step=step, limit=PAGE)
        lines = []
        for r in found:
            self._place = r.n
            if r.code is not None:
                self.refused += 1
            elif r.gone:
                self.missing += 1
            else:
                self._turn(r.options)
                lines.append(Line(r.n, r.input_sha256, {**r.options, **self.options}))
        self.looked_at += len(found)
        self.scans += len(lines)
        if lines:
            self.foresight.add(connection, lines)
        return len(found) == PAGE

    def _turn(self, old: Mapping[str, Any]) -> None:
        self.switched.update(name for name, on in self.options.items() if old.get(name, True) != on)

    def told(self, connection: sa.Connection) -> dict[str, Any]:
        """The plan as clients see it; counts are whole numbers, seconds those of one worker."""
        times = 1.0 if not self.looked_at else self.items / self.looked_at
        took = {r.name: r for r in rows(connection, _DURATIONS, batch=self.batch_id, lines=TIMED_LINES)}
        slots = row(connection, _SLOTS)
        assert slots is not None
        changed = self._changed()
        stages = []
        for spec in self.foresight.stages:
            counts = _counts(self.foresight.tallies[spec.name], times)
            told = {
                "name": spec.name,
                "changed": changed[spec.name],
                "follows": _follows(spec, self.foresight.stages, changed),
                **counts,
                "seconds": _seconds(counts["computed"], took.get(spec.name)),
            }
            stages.append(told)
        work = _sum(stages)
        return {
            "batch_id": str(self.batch_id),
            "pipeline_version": self.pipeline.version,
            "exact": self.looked_at == self.items,
            "lines": self.items,
            **{name: round(n * times) for name, n in self._lines().items()},
            "computed": _total(stages, "computed"),
            "reused": _total(stages, "reused"),
            "work_s": work,
            "slots": int(slots.n),
            "time_s": {k: round(v / slots.n, 3) for k, v in work.items()} if work and slots.n else None,
            "gone": [spec.name for spec in self.before if spec.name not in self.foresight.tallies],
            "stages": stages,
        }

    def _lines(self) -> dict[str, int]:
        return {"scans": self.scans, "refused": self.refused, "input_missing": self.missing}

    def _changed(self) -> dict[str, list[str]]:
        old = {spec.name: spec for spec in self.before}
        return {
            spec.name: _differences(old.get(spec.name), spec)
            + (["option"] if self.switched[spec.switch or ""] or self.switched[spec.option or ""] else [])
            for spec in self.foresight.stages
        }


def begin(connection: sa.Connection, tenant_id: UUID, batch_id: UUID, options: Mapping[str, Any]) -> Plan | None:
    """A plan for what ``batch_again.reprocess`` with these options would do; None for an unknown batch.

    Raises BatchClosed while the batch still takes lines, ModelUnavailable when no pipeline is published.
    """
    batch = locked(connection, tenant_id, batch_id)
    if batch is None:
        return None
    if batch.state in ("open", "listing"):
        raise BatchClosed
    pipeline = pipelines.current(connection, batch.system)
    if pipeline is None:
        raise ModelUnavailable(f"no pipeline is published for {batch.system}")
    before = pipelines.stages(connection, batch.pipeline_id)
    foresight = Foresight(tenant_id, pipelines.stages(connection, pipeline.id))
    return Plan(batch_id, batch.items, before, pipeline, foresight, dict(options))


_LINES = """
    SELECT i.n, i.code, s.id IS NULL OR a.expired_at IS NOT NULL AS gone, s.options, s.input_sha256
    FROM batch_item i LEFT JOIN scan s ON s.id = i.scan_id
         LEFT JOIN artifact a ON a.tenant_id = s.tenant_id AND a.sha256 = s.input_sha256
    WHERE i.batch_id = :batch AND i.n > :after AND i.n % :step = 0 ORDER BY i.n LIMIT :limit"""

_DURATIONS = """
    SELECT st.name, count(*) AS n, avg(maker.compute_ms) AS mean,
           percentile_cont(0.1) WITHIN GROUP (ORDER BY maker.compute_ms) AS quick,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY maker.compute_ms) AS slow
    FROM (SELECT scan_id FROM batch_item WHERE batch_id = :batch ORDER BY n LIMIT :lines) i
         JOIN stage_run r ON r.scan_id = i.scan_id JOIN stage st ON st.id = r.stage_id
         JOIN stage_run maker ON maker.id = coalesce(r.reused_from, r.id)
    WHERE maker.compute_ms IS NOT NULL GROUP BY st.name"""
"""What was reused was computed once, and its duration is that run's."""

_SLOTS = "SELECT count(*) AS n FROM worker WHERE seen_at > clock_timestamp() - interval '1 minute'"


def _differences(old: StageSpec | None, new: StageSpec) -> list[str]:
    """In what a stage is not what it was."""
    if old is None:
        return ["new"]
    pairs = {
        "version": ((old.kind, old.version), (new.kind, new.version)),
        "parameters": (old.parameters, new.parameters),
        "model": (old.models, new.models),
        "needs": ({*old.needs, *old.optional}, {*new.needs, *new.optional}),
        "reuse": (old.reuse_for_s, new.reuse_for_s),
    }
    return [name for name, (was, now) in pairs.items() if was != now]


def _follows(spec: StageSpec, stages: Sequence[StageSpec], changed: Mapping[str, Sequence[str]]) -> list[str]:
    """The changed stages that a stage depends on, near or far."""
    known = {each.name: each for each in stages}
    above, waiting = set[str](), [*spec.needs, *spec.optional]
    while waiting:
        name = waiting.pop()
        if name not in above:
            above.add(name)
            waiting += [*known[name].needs, *known[name].optional]
    return [each.name for each in stages if each.name in above and changed[each.name]]


def _counts(tally: Tally, times: float) -> dict[str, Any]:
    """Open runs may go either way: they widen both."""
    spans = {
        "computed": (tally.computed, tally.computed + tally.open_works),
        "reused": (tally.reused, tally.reused + tally.open),
        "skipped": (tally.skipped, tally.skipped + tally.may_skip),
    }
    return {name: {"least": round(a * times), "most": round(b * times)} for name, (a, b) in spans.items()}


def _seconds(computed: Mapping[str, int], took: sa.Row[Any] | None) -> dict[str, float] | None:
    """From the fewest runs at the quickest tenth's pace to the most at the slowest's; None where none was timed."""
    if computed["most"] == 0:
        return {"likely": 0.0, "from": 0.0, "to": 0.0}
    if took is None:
        return None
    quick, slow = min(took.quick, took.mean), max(took.slow, took.mean)
    ms = {"likely": computed["most"] * took.mean, "from": computed["least"] * quick, "to": computed["most"] * slow}
    return {name: round(value / 1000, 3) for name, value in ms.items()}


def _sum(stages: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    if any(stage["seconds"] is None for stage in stages):
        return None
    return {name: round(sum(stage["seconds"][name] for stage in stages), 3) for name in ("likely", "from", "to")}


def _total(stages: Sequence[Mapping[str, Any]], name: str) -> dict[str, int]:
    return {end: sum(stage[name][end] for stage in stages) for end in ("least", "most")}
