"""One stage of a run: step after step until it is done, or until it is asked to stop."""

import logging
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import keras
import numpy as np

from pipeline.errors import CheckpointMismatch
from training.budget import Clock, Stage
from training.checkpoint import Checkpoint
from training.drawing import Batch, Drawing
from training.lesson import Lesson
from training.networks import batch_norms
from training.place import Place
from training.trainee import MOMENTUM, Trainee, optimizer, rate, settle
from training.watching import Watch

log: Final = logging.getLogger("training")

SETTLING: Final = 80
"""Batches that fix the batch norms' statistics after training; 2 % of what was there before is left."""
SAVE_SECONDS: Final = 60.0


class Course:
    """A stage under way. What its next step depends on goes to and comes from the run's checkpoint."""

    def __init__(self, lesson: Lesson, place: Place, run: Checkpoint, stages: tuple[Stage, ...], network: Any) -> None:
        """Take up the stage that the run is at, with the network for it."""
        self.lesson, self.place, self.run, self.network = lesson, place, run, network
        self.stage, self.later = stages[run.stage], stages[run.stage + 1 :]
        self.steps = self.stage.steps if run.steps is None else run.steps
        self.watch = None if lesson.validation is None else Watch(lesson.validation, place.seed, self.stage, run)
        self.marks: deque[float] = deque([time.monotonic()], 50)
        for layer in batch_norms(network):
            layer.momentum = MOMENTUM
        self.trainee = Trainee(network, lesson.scale, lesson.loss)
        self.trainee.compile(optimizer=optimizer(), jit_compile=keras.config.backend() == "jax")
        self.trainee.optimizer.build(self.trainee.trainable_variables)
        if run.variables:
            self.restore()

    @property
    def variables(self) -> list[Any]:
        """Everything that a step reads and changes."""
        return [*self.network.variables, *self.trainee.optimizer.variables]

    def restore(self) -> None:
        """Put the run's variables where they belong; raises `CheckpointMismatch` if they do not fit."""
        wanted, found = ([tuple(one.shape) for one in many] for many in (self.variables, self.run.variables))
        if wanted != found:
            raise CheckpointMismatch("the network has another form now")
        for variable, value in zip(self.variables, self.run.variables, strict=True):
            variable.assign(value)

    def train(self, drawing: Drawing, clock: Clock) -> None:
        """Do what is left of the stage; leaves averaged weights. Raises `Stopped` once the checkpoint is written."""
        self.save()
        batches = drawing.batches(self.run.stage, self.stage, len(self.run.losses))
        saved = time.monotonic()
        while len(self.run.losses) < self.steps:
            self.step(next(batches))
            self.steps = self.planned(clock)
            if self.place.stop.asked or time.monotonic() - saved > SAVE_SECONDS:
                self.save()
                saved = time.monotonic()
            self.place.stop.obey()
        self.save()
        self.average()
        if self.watch is not None:
            self.watch.keep_best(self.trainee)
        settle(self.trainee, self.until_asked(batches), min(SETTLING, self.steps))
        log.info("%s: done at %d px, loss %.4f", self.lesson.recipe, self.stage.size, recent(self.run.losses))

    def planned(self, clock: Clock) -> int:
        """Steps this stage is to have: as planned, as fit into the time, or no more when they no longer help."""
        done = len(self.run.losses)
        steps = clock.steps(done, self.steps, SETTLING)
        if self.watch is not None and self.watch.due(done, steps):
            self.watch.look(done, self.trainee, self.average)
            return done if self.watch.tired else steps
        return steps

    def step(self, batch: Batch) -> None:
        """Learn from one batch and say so."""
        losses, (pixels, *targets) = self.run.losses, batch
        self.trainee.optimizer.learning_rate = rate(self.stage.rate, len(losses), self.steps)
        losses.append(float(self.trainee.train_on_batch(pixels, tuple(targets))))
        self.marks.append(time.monotonic())
        speed = self.stage.batch * (len(self.marks) - 1) / (self.marks[-1] - self.marks[0])
        self.place.progress.tell(
            "training",
            step=len(losses),
            steps=self.steps,
            loss=recent(losses),
            pictures_per_s=round(speed, 1),
            eta_s=round(self.left() / speed),
        )
        if len(losses) % max(1, min(self.steps // 20, 50)) == 0:
            log.info(
                "%s: step %d of %d, loss %.4f, %.0f pictures/s",
                self.lesson.recipe,
                len(losses),
                self.steps,
                recent(losses),
                speed,
            )

    def left(self) -> float:
        """Pictures of this stage's size still to see, those of later stages by their number of pixels."""
        later = sum(one.steps * one.bytes for one in self.later)
        settling = min(SETTLING, self.steps) * (1 + len(self.later))
        return (
            self.steps - len(self.run.losses) + settling
        ) * self.stage.batch + later * self.stage.batch / self.stage.bytes

    def save(self) -> None:
        """Write the checkpoint."""
        self.run.steps, self.run.seconds = self.steps, time.monotonic() - self.place.began
        self.run.variables = [one.numpy() for one in self.variables]
        self.run.save(self.place.checkpoint(self.lesson.recipe))

    def note(self) -> dict[str, Any]:
        """What the stage was, how many steps it took, and why it ended: as `planned`, by `time`, or `no better`."""
        done, checked = len(self.run.losses), {} if self.watch is None else {"validation": self.run.check}
        short = "no better" if self.watch is not None and self.watch.tired else "time"
        return asdict(self.stage) | {"done": done, "ended": "planned" if done == self.stage.steps else short} | checked

    def average(self) -> None:
        """Put the averaged weights into the network."""
        self.trainee.optimizer.finalize_variable_values(self.trainee.trainable_variables)
        self.network.set_weights(self.network.get_weights())  # JAX: averages and weights must not share their memory

    def until_asked(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Batches until somebody wishes the end."""
        for batch in batches:
            self.place.stop.obey()
            yield batch


def recent(losses: list[float]) -> float:
    """Mean loss of the last twentieth."""
    return float(np.mean(losses[-max(1, len(losses) // 20) :]))
