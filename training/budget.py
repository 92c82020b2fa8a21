"""How much work a recipe may do: named budgets of stages, thinned by a scale, ended by a clock."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of the training loop."""

    size: int
    """Side of the input in pixels."""
    steps: int
    batch: int
    rate: float
    """Peak learning rate."""

    @property
    def bytes(self) -> int:
        """Of the pixels in a batch."""
        return self.batch * self.size * self.size * 3


Stages: TypeAlias = Mapping[str, tuple[Stage, ...]]
"""Budget's name to its stages: `cpu` (two cores, minutes) or `gpu` (one card and sixteen cores, minutes)."""


PACE: Final = 50
"""Steps after which the pace is asked again."""


@dataclass(slots=True)
class Clock:
    """Fits a stage's steps into the time it has; without a limit the steps stay as planned."""

    until: float
    """Monotonic seconds."""
    marks: list[tuple[float, int]] = field(default_factory=list)
    """(seconds, steps) when it was asked."""

    def steps(self, done: int, planned: int, after: int) -> int:
        """Steps to end with, `after` more batches included; asked after each step, thinks at every fiftieth.

        In the last fifth of the steps it only shortens, so that the rate does not rise again.
        """
        if self.until == float("inf") or done % PACE or done >= planned:
            return planned
        now = time.monotonic()
        self.marks.append((now, done))
        if len(self.marks) < 2:
            return planned  # the first steps hold the compilation
        then, before = self.marks[max(0, len(self.marks) - 9)]
        pace = (now - then) / (done - before)
        possible = done + max(1, int((self.until - now) / pace) - after)
        return min(possible, planned) if done > 0.8 * planned else possible


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may use. Scale 1 without a limit is the published recipe."""

    name: str = "cpu"
    scale: float = 1.0
    processes: int = 2
    """Processes that draw batches."""
    minutes: float = float("inf")
    """As many steps as fit into this time, more or fewer than planned; the note says how many it was."""
    began: float = field(default_factory=time.monotonic)

    def stages(self, planned: Stages) -> tuple[Stage, ...]:
        """The stages of this budget, each with at least two steps."""
        return tuple(
            Stage(one.size, max(2, round(one.steps * self.scale)), one.batch, one.rate) for one in planned[self.name]
        )

    def clock(self, later: float) -> Clock:
        """A clock for the next stage, when those after it hold `later` times its steps."""
        now = time.monotonic()
        return Clock(now + (self.began + 60 * self.minutes - now) / (1 + later))
