"""Early stopping: the averaged weights are tried on fixed batches of the validation part, and the best are kept."""

import logging
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from training.budget import Stage
from training.checkpoint import Checkpoint
from training.drawing import Batch, Draw

log: Final = logging.getLogger("training")

CHECKS: Final = 20
"""Times a stage's planned steps are interrupted to look."""
LEAST: Final = 10
"""Steps between two looks."""
BATCHES: Final = 8
"""Looked at each time; the same ones."""
PATIENCE: Final = 5
"""Looks in a row without a better loss that end a stage: a quarter of its planned steps."""
ASIDE: Final = 1_000_000
"""Added to the stage's number in the seed, so that no training batch is drawn alike."""


class Watch:
    """Looks at a stage from time to time. What it remembers is in the run's checkpoint."""

    def __init__(self, draw: Draw, seed: int, stage: Stage, run: Checkpoint) -> None:
        """Draw the batches."""
        self.run, self.every = run, max(LEAST, stage.steps // CHECKS)
        self.batches: list[Batch] = [
            draw(np.random.default_rng((seed, ASIDE + run.stage, number)), stage) for number in range(BATCHES)
        ]
        run.check = run.check or {
            "every": self.every,
            "batches": BATCHES,
            "seen": [],
            "best_step": 0,
            "best_loss": None,
        }

    @property
    def tired(self) -> bool:
        """Whether the last looks saw nothing better."""
        later = [step for step, _ in self.run.check["seen"] if step > self.run.check["best_step"]]
        return len(later) >= PATIENCE

    def due(self, step: int, steps: int) -> bool:
        """Whether to look after this step, if that was not done yet."""
        seen = [at for at, _ in self.run.check["seen"]]
        return (step % self.every == 0 or step == steps) and step not in seen

    def look(self, step: int, trainee: Any, average: Callable[[], None]) -> None:
        """Try the averaged weights and remember them if they are the best; the weights of the moment come back."""
        now = [one.numpy() for one in trainee.trainable_variables]
        average()
        losses = [float(trainee.test_on_batch(pixels, tuple(targets))) for pixels, *targets in self.batches]
        averaged = [one.numpy() for one in trainee.trainable_variables]
        put(trainee, now)
        loss, best = float(np.mean(losses)), self.run.check["best_loss"]
        self.run.check["seen"].append([step, loss])
        log.info("step %d: loss %.4f on the validation part", step, loss)
        if best is None or loss < best:
            self.run.check |= {"best_step": step, "best_loss": loss}
            self.run.best = averaged

    def keep_best(self, trainee: Any) -> None:
        """Put the best weights into the network."""
        put(trainee, self.run.best)


def put(trainee: Any, values: list[Any]) -> None:
    """Give the trainable variables these values."""
    for variable, value in zip(trainee.trainable_variables, values, strict=True):
        variable.assign(value)
