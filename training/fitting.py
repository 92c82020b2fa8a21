"""A run of a recipe's training: its stages one after the other, gone on with where it was cut off."""

import dataclasses
import importlib
import os
from typing import Any

import cv2
import keras

from training.budget import Budget, Stage
from training.checkpoint import Checkpoint, taken_up
from training.course import Course, log
from training.drawing import Drawing
from training.lesson import Lesson
from training.place import Place
from training.provenance import digest
from training.trainee import Loss, Scale, imagenet, signed

__all__ = ["Lesson", "Loss", "Scale", "imagenet", "learn", "log", "prepare", "signed"]


def prepare(seed: int, threads: int, precision: str) -> None:
    """Seed everything, pin the thread pools, choose the precision; must come before the first operation.

    TensorFlow runs one operation at a time: with two at once the last bits of a step depend on which came first.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(threads))
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    cv2.setNumThreads(1)  # forked processes must not wait for threads that they do not have
    if keras.config.backend() == "torch":
        importlib.import_module("torch").set_num_threads(threads)
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)


def learn(lesson: Lesson, place: Place, budget: Budget) -> None:
    """Train through all stages; keeps weights and a note of the run in the place.

    Goes on from the place's checkpoint if the place says so and there is one. Raises `Stopped` when asked to stop, with
    the checkpoint written, and `CheckpointMismatch` if that is of another run.
    """
    stages, file = budget.stages(lesson.stages), place.checkpoint(lesson.recipe)
    plan = planned(lesson, place, stages)
    run = taken_up(file, plan) if place.resume else Checkpoint(plan)
    if run.stage == len(stages):
        log.info("%s: trained already", lesson.recipe)
        return
    place = dataclasses.replace(place, began=place.began - run.seconds)
    budget = dataclasses.replace(budget, began=budget.began - run.seconds)
    network = trained(lesson, place, budget, stages, run)
    lesson.kept(network).save_weights(str(place.weights(lesson.recipe)))
    facts = {"data_sha256": plan["data"], "resumed": run.resumed, **lesson.facts}
    place.trained(lesson.recipe, budget, run.done, **facts)
    run.save(file)
    place.stop.obey()


def planned(lesson: Lesson, place: Place, stages: tuple[Stage, ...]) -> dict[str, Any]:
    """What a run that is gone on with must have in common with the run before."""
    return {
        "recipe": lesson.recipe,
        "seed": place.seed,
        "data": digest(place.data),
        "stages": [dataclasses.asdict(stage) for stage in stages],
        "form": place.form,
        "start": place.start.name if place.start else None,
        "backend": keras.config.backend(),
        "precision": keras.config.dtype_policy().name,
    }


def trained(lesson: Lesson, place: Place, budget: Budget, stages: tuple[Stage, ...], run: Checkpoint) -> Any:
    """The network after all stages that are left; the run is then at their end."""
    network, largest = None, max(one.bytes for one in stages)
    with Drawing(lesson.draw, place.seed, budget.processes, largest) as drawing, place.stop.polite():
        while run.stage < len(stages):
            stage, later = stages[run.stage], stages[run.stage + 1 :]
            place.progress.tell("training", stage=run.stage + 1, stages=len(stages))
            keras.utils.set_random_seed(place.seed + run.stage)  # whatever was built before, in this process or not
            network = lesson.at_size(stage.size, network)
            if run.stage == 0 and place.start is not None:
                lesson.kept(network).load_weights(str(place.start))
            course = Course(lesson, place, run, stages, network)
            course.train(drawing, budget.clock(sum(one.steps for one in later) / stage.steps))
            run.turn(course.note())
    return network
