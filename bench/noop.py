"""A pipeline whose stages do nothing, to measure the queue and the ledger alone. Refused outside of tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pipeline.contracts import Queue
from pipeline.definition import Pipeline
from pipeline.stage import Models, Stage, StageAnswer, StageInput, StageOutput

LENGTH = 12
SHORT_LENGTH = 4


@dataclass(frozen=True, kw_only=True)
class DoNothing(Stage):
    """Hands on the name of its scan, so that no two scans have equal fingerprints."""

    kind: ClassVar[str] = "do_nothing"
    queue: ClassVar[Queue] = Queue.CPU
    step: int = 0

    def run(self, items: Sequence[StageInput], models: Models) -> Sequence[StageAnswer]:
        return [StageOutput({"scan": _name(item), "report": {}}) for item in items]


def _name(item: StageInput) -> str:
    before = next(iter(item.needs.values()), None)
    return str(item.options.get("name") if before is None else before.data["scan"])


def _chain(system: str, length: int) -> Pipeline:
    steps = (DoNothing(name=f"step_{n}", step=n, needs=(f"step_{n - 1}",) if n else ()) for n in range(length))
    return Pipeline(system, stages=tuple(steps))


NOOP = _chain("noop", LENGTH)
SHORT = _chain("short", SHORT_LENGTH)
