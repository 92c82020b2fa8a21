"""A pipeline whose stages do what a scan's options tell them: crash, hang, fail, or hand on a number."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pipeline.contracts import Queue
from pipeline.definition import Pipeline
from pipeline.stage import Models, Stage, StageAnswer, StageInput, StageOutput


@dataclass(frozen=True, kw_only=True)
class Obey(Stage):
    """``options[<stage name>]``: "crash" kills the process, "hang" sleeps past the deadline, "slow" takes a second, "brief" 0.05 s."""

    kind: ClassVar[str] = "obey"
    queue: ClassVar[Queue] = Queue.GPU
    deadline_s: ClassVar[float] = 3.0

    def run(self, items: Sequence[StageInput], models: Models) -> Sequence[StageAnswer]:
        for item in items:
            order = item.options.get(self.name)
            if order == "crash":
                os.kill(os.getpid(), signal.SIGKILL)
            elif order == "hang":
                time.sleep(600)
            elif order == "slow":
                time.sleep(1)
            elif order == "brief":
                time.sleep(0.05)
        return [StageOutput({"name": item.options["name"], "report": {"name": item.options["name"]}}) for item in items]


@dataclass(frozen=True, kw_only=True)
class Begin(Obey):
    """A source, on the other kind of queue."""

    kind: ClassVar[str] = "begin"
    queue: ClassVar[Queue] = Queue.CPU


OBEDIENT = Pipeline(
    "obedient",
    stages=(
        Begin(name="first"),
        Obey(name="second", needs=("first",)),
        Obey(name="third", needs=("second",)),
    ),
)
