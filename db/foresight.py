"""What lines would cost on a pipeline, stage by stage, from fingerprints alone: nothing is queued and nothing is written.

It goes the way of ``settle`` with the same fingerprints. An answer that is not known yet gets a name of its own, so what
is made of it has a fingerprint too: equal work is counted once, as it would be computed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db.pipelines import StageSpec
from db.settle import equal_answers, fingerprint, no_answer
from pipeline.contracts import RunState
from pipeline.errors import SWITCHED_OFF, UPSTREAM_NOT_OK
from pipeline.progress import Ending


@dataclass(slots=True)
class Tally:
    """Runs of one stage. ``computed`` and ``reused`` are certain; ``open`` ones depend on answers that are not there.

    An open run is computed, unless what it waits for turns out as it was before. ``open_works`` of them differ, so at most
    so many are computed; ``may_skip`` of them need an answer that is to come, and are skipped if that is not ok.
    """

    computed: int = 0
    reused: int = 0
    skipped: int = 0
    open: int = 0
    open_works: int = 0
    may_skip: int = 0


@dataclass(slots=True)
class Line:
    """A scan as it would be made: what the first stage reads, and its options."""

    n: int
    input_sha256: str | None
    options: Mapping[str, Any]
    endings: dict[str, Ending | None] = field(default_factory=dict)
    """Stage → how it ends; None: not known."""
    digests: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Foresight:
    """Counts for one tenant's lines on one pipeline; page by page, in memory of some bytes for each new piece of work."""

    tenant_id: UUID
    stages: Sequence[StageSpec]
    tallies: dict[str, Tally] = field(init=False)
    _seen: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.tallies = {spec.name: Tally() for spec in self.stages}

    def add(self, connection: sa.Connection, lines: Sequence[Line]) -> None:
        """Count these lines too; one statement a stage."""
        for spec in self.stages:
            certain, unsure = [], []
            for line in lines:
                if (end := _stopped(spec, line)) is not None:
                    line.endings[spec.name], line.digests[spec.name] = end, no_answer(end)
                    self.tallies[spec.name].skipped += 1
                elif all(line.endings[name] is not None for name in (*spec.needs, *spec.optional)):
                    certain.append(line)
                else:
                    unsure.append(line)
            self._certain(connection, spec, certain)
            self._unsure(spec, unsure)

    def _certain(self, connection: sa.Connection, spec: StageSpec, lines: Sequence[Line]) -> None:
        """Lines whose run will be ready with a fingerprint that is known: its answer is there, or it is not."""
        works = {line.n: _work(spec, line) for line in lines}
        known = equal_answers(connection, self._wanted(spec, works))
        tally = self.tallies[spec.name]
        for line in lines:
            equal = known.get(-line.n)
            if equal is not None and equal.result_id is not None:
                line.endings[spec.name] = Ending(RunState(equal.outcome), equal.code)
                line.digests[spec.name] = equal.digest
                tally.reused += 1
                continue
            new = self._is_new(spec, line, works[line.n])
            if equal is not None:  # another batch computes it at this moment, and may yet fail
                tally.open += 1
                tally.open_works += new
            elif new:
                tally.computed += 1
            else:
                tally.reused += 1

    def _wanted(self, spec: StageSpec, works: Mapping[int, str]) -> Iterable[dict[str, object]]:
        """Numbered below zero, so that none is taken for a run that there is."""
        return [
            {
                "run_id": -n,
                "tenant_id": str(self.tenant_id),
                "work": work,
                "lane": 1,
                "reuse_for_s": spec.reuse_for_s,
            }
            for n, work in works.items()
            if work
        ]

    def _unsure(self, spec: StageSpec, lines: Sequence[Line]) -> None:
        tally = self.tallies[spec.name]
        for line in lines:
            tally.open += 1
            tally.open_works += self._is_new(spec, line, _work(spec, line))
            tally.may_skip += any(line.endings[name] is None for name in spec.needs)

    def _is_new(self, spec: StageSpec, line: Line, work: str) -> bool:
        """Name the answer to come; whether no earlier line has it computed already."""
        name = work or f"{spec.name} of line {line.n}"
        line.endings[spec.name], line.digests[spec.name] = None, f"to come: {name}"
        known = name.encode() in self._seen
        self._seen.add(name.encode())
        return not known


def _stopped(spec: StageSpec, line: Line) -> Ending | None:
    """How a run ends that never begins; None when it may begin."""
    if spec.switch is not None and line.options.get(spec.switch) is False:
        return Ending(RunState.SKIPPED, SWITCHED_OFF)
    ends = [line.endings[name] for name in spec.needs]
    stopped = any(end is not None and end.state is not RunState.OK for end in ends)
    return Ending(RunState.SKIPPED, UPSTREAM_NOT_OK) if stopped else None


def _work(spec: StageSpec, line: Line) -> str:
    return fingerprint(spec, line.input_sha256, line.options, line.digests.__getitem__)
