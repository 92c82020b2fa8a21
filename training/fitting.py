"""The one training loop, on Keras' own trainer: AdamW, a cosine, averaged weights, settled batch norms."""

import importlib
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import cv2
import keras
import numpy as np
from keras import ops

from training.budget import Budget, Clock, Stage, Stages
from training.drawing import Batch, Draw, Drawing
from training.networks import batch_norms
from training.place import Place

log: Final = logging.getLogger("training")

Loss: TypeAlias = Callable[..., Any]
"""loss(outputs, *targets) -> scalar tensor"""
Scale: TypeAlias = Callable[[Any], Any]
"""Pixels 0..255 as a tensor to the network's input range."""

AVERAGING: Final = 0.995
"""Of the averaged weights a step: they cover about the last two hundred."""
MOMENTUM: Final = 0.95
"""Of the batch norms while training: they remember about twenty batches."""
SETTLING: Final = 80
"""Batches that fix the batch norms' statistics after training; 2 % of what was there before is left."""
SAVE_SECONDS: Final = 60.0


def prepare(seed: int, threads: int, precision: str) -> None:
    """Seed everything, pin the thread pools, choose the precision; must come before the first operation."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(threads))
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", str(threads))
    cv2.setNumThreads(1)  # forked processes must not wait for threads that they do not have
    if keras.config.backend() == "torch":
        importlib.import_module("torch").set_num_threads(threads)
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)


def signed(pixels: Any) -> Any:
    """0..255 to -1..1."""
    return ops.cast(pixels, "float32") / 127.5 - 1


def rate(peak: float, step: int, steps: int) -> float:
    """The learning rate of one step: a linear rise over a twentieth of the steps, a cosine to a hundredth."""
    warm = max(1, steps // 20)
    if step < warm:
        return peak * (step + 1) / warm
    done = min(1.0, (step - warm) / max(1, steps - warm))
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


class Trainee(keras.Model):  # type: ignore[misc]
    """A network with its input range and its loss, as Keras' trainer wants them."""

    def __init__(self, network: Any, scale: Scale, loss: Loss) -> None:
        """Wrap; the weights stay the network's own."""
        super().__init__()
        self.network, self.scale, self.own_loss = network, scale, loss

    def call(self, pixels: Any, training: bool | None = None) -> Any:
        """Outputs of pixels 0..255."""
        return self.network(self.scale(pixels), training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The recipe's loss; there are no sample weights, a recipe that wants some makes them targets."""
        return self.own_loss(y_pred, *y)


def optimizer() -> Any:
    """AdamW whose averaged weights cover the last few hundred steps; the loop sets the rate."""
    made = keras.optimizers.AdamW(0.0, weight_decay=1e-4, clipnorm=5.0, use_ema=True, ema_momentum=AVERAGING)
    made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a recipe teaches: networks by size, the batches they see, the loss, the budget."""

    recipe: str
    at_size: Callable[[int, Any], Any]
    """(size, former network or None) -> network with the former one's weights"""
    draw: Draw
    loss: Loss
    stages: Stages
    scale: Scale = signed
    kept: Callable[[Any], Any] = lambda network: network
    """The part of the network whose weights are the result."""


def learn(lesson: Lesson, place: Place, budget: Budget) -> None:
    """Train through all stages; keeps weights and a note of the run in the place."""
    network, done, stages = None, [], budget.stages(lesson.stages)
    largest = max(stage.bytes for stage in stages)
    with Drawing(lesson.draw, place.seed, budget.processes, largest) as drawing:
        for turn, stage in enumerate(stages):
            network = lesson.at_size(stage.size, network)
            if turn == 0 and place.start is not None:
                lesson.kept(network).load_weights(str(place.start))
            clock = budget.clock(sum(one.steps for one in stages[turn + 1 :]) / stage.steps)
            done.append((stage, fit(network, lesson, stage, drawing.batches(turn, stage), place, clock)))
    place.trained(lesson.recipe, budget, done)


def fit(network: Any, lesson: Lesson, stage: Stage, batches: Iterator[Batch], place: Place, clock: Clock) -> int:
    """Train in place on `(pixels, *targets)` batches; leaves the averaged weights. Returns the steps done.

    The weights of the moment are kept once a minute, so that a run that is cut off leaves something.
    """
    for layer in batch_norms(network):
        layer.momentum = MOMENTUM
    trainee, file = Trainee(network, lesson.scale, lesson.loss), str(place.weights(lesson.recipe))
    trainee.compile(optimizer=optimizer(), jit_compile=keras.config.backend() == "jax")
    losses: list[float] = []
    saved, steps, told = time.monotonic(), stage.steps, (time.monotonic(), 0)
    while len(losses) < steps:
        trainee.optimizer.learning_rate = rate(stage.rate, len(losses), steps)
        pixels, *targets = next(batches)
        losses.append(float(trainee.train_on_batch(pixels, tuple(targets))))
        steps = clock.steps(len(losses), steps, SETTLING)
        if len(losses) % max(1, min(steps // 20, 50)) == 0:
            speed, told = told_at(told, len(losses), stage.batch)
            log.info(
                "%s: step %d of %d, loss %.4f, %.0f pictures/s",
                lesson.recipe,
                len(losses),
                steps,
                recent(losses),
                speed,
            )
        if time.monotonic() - saved > SAVE_SECONDS:
            lesson.kept(network).save_weights(file)
            saved = time.monotonic()
    trainee.optimizer.finalize_variable_values(trainee.trainable_variables)
    network.set_weights(network.get_weights())  # JAX: the averages and the weights must not share their memory
    settle(trainee, batches, min(SETTLING, steps))
    lesson.kept(network).save_weights(file)
    log.info("%s: done at %d px, loss %.4f", lesson.recipe, stage.size, recent(losses))
    return len(losses)


def told_at(before: tuple[float, int], steps: int, batch: int) -> tuple[float, tuple[float, int]]:
    """Pictures per second since the mark (seconds, steps) before, and the new mark."""
    now = time.monotonic()
    return batch * (steps - before[1]) / (now - before[0]), (now, steps)


def recent(losses: list[float]) -> float:
    """Mean loss of the last twentieth."""
    return float(np.mean(losses[-max(1, len(losses) // 20) :]))


def settle(trainee: Any, batches: Iterator[Batch], rounds: int) -> None:
    """Replace the batch norms' running means by those of `rounds` batches under the final weights.

    What they hold is that of the weights before averaging. At a rate of zero only the running means move.
    Settling once took the area networks' false alarms on healthy real eyes from 38 % to 12 %.
    """
    trainee.optimizer.learning_rate = 0.0
    for _, (pixels, *targets) in zip(range(rounds), batches, strict=False):
        trainee.train_on_batch(pixels, tuple(targets))
