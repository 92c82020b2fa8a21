"""Batches are the same whoever draws them, and the clock fits steps into the time there is."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from training.budget import PACE, Budget, Clock, Stage
from training.drawing import Batch, Drawing

ROOT = Path(__file__).parents[3]
SMALL = Stage(size=8, steps=10, batch=3, rate=1e-3)
LARGE = Stage(size=16, steps=10, batch=2, rate=1e-3)


def draw(rng: np.random.Generator, stage: Stage) -> Batch:
    """Random pixels and a target; some batches take longer than others."""
    pixels = rng.integers(0, 256, (stage.batch, stage.size, stage.size, 3), np.uint8)
    time.sleep(float(rng.uniform(0, 0.01)))
    return pixels, rng.normal(size=stage.batch), np.full(stage.batch, os.getpid())


def drawn(processes: int) -> list[tuple[bytes, bytes]]:
    """Five batches of one stage, then four of another, from one pool."""
    found = []
    with Drawing(draw, 7, processes, max(SMALL.bytes, LARGE.bytes)) as drawing:
        for turn, (stage, count) in enumerate(((SMALL, 5), (LARGE, 4))):
            for _, (pixels, target, _) in zip(range(count), drawing.batches(turn, stage), strict=False):
                assert pixels.shape == (stage.batch, stage.size, stage.size, 3)
                found.append((pixels.tobytes(), target.tobytes()))
    return found


def test_the_number_of_processes_does_not_show() -> None:
    one, three = drawn(1), drawn(3)
    assert one == three
    assert len({pixels for pixels, _ in one}) == 9, "every batch is another one"


def test_several_processes_draw() -> None:
    with Drawing(draw, 7, 3, SMALL.bytes) as drawing:
        batches = drawing.batches(0, SMALL)
        workers = {int(next(batches)[2][0]) for _ in range(40)}
    assert len(workers) > 1 and os.getpid() not in workers


def test_who_stops_the_trainer_s_group_does_not_stop_the_drawing() -> None:
    with Drawing(draw, 7, 1, SMALL.bytes) as drawing:
        worker = int(next(drawing.batches(0, SMALL))[2][0])
        assert os.getpgid(worker) != os.getpgid(0)


def test_batches_go_on_from_any_number() -> None:
    with Drawing(draw, 7, 2, SMALL.bytes) as drawing:
        first = [next(drawing.batches(0, SMALL, number))[0].tobytes() for number in (0, 1, 2)]
        batches = drawing.batches(0, SMALL)
        assert [next(batches)[0].tobytes() for _ in range(3)] == first


def test_an_error_while_drawing_reaches_the_trainer() -> None:
    def broken(rng: np.random.Generator, stage: Stage) -> Batch:
        message = "no such picture"
        raise ValueError(message)

    with Drawing(broken, 7, 1, SMALL.bytes) as drawing, pytest.raises(ValueError, match="no such picture"):
        next(drawing.batches(0, SMALL))


ALONE = """
import os, time
import numpy as np
from training.budget import Stage
from training.drawing import Drawing
stage = Stage(4, 1, 1, 0.0)
with Drawing(lambda rng, stage: (np.zeros((1, 4, 4, 3), np.uint8), os.getpid()), 0, 1, stage.bytes) as drawing:
    print(next(drawing.batches(0, stage))[1], flush=True)
    time.sleep(60)
"""


def test_no_drawing_process_outlives_a_killed_trainer() -> None:
    with subprocess.Popen([sys.executable, "-c", ALONE], cwd=ROOT, stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None
        worker = int(trainer.stdout.readline())
        trainer.kill()
    ends = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists() and time.monotonic() < ends:
        time.sleep(0.1)
    assert not Path(f"/proc/{worker}").exists()


def test_a_budget_scales_its_own_stages() -> None:
    planned = {"cpu": (SMALL,), "gpu": (LARGE, LARGE)}
    assert [stage.steps for stage in Budget("gpu", 0.5).stages(planned)] == [5, 5]
    assert Budget("cpu", 1e-6).stages(planned)[0].steps == 2


def test_without_a_limit_the_steps_stay_as_planned() -> None:
    clock = Budget().clock(0.0)
    assert {clock.steps(done, 1000, 0) for done in range(0, 1000, 10)} == {1000}


def test_the_clock_fits_the_steps_into_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock, steps, done = Clock(until=100.0), 10_000, 0
    while done < steps:
        done += 1
        now[0] += 0.1 if done > PACE else 0.2  # the first steps hold the compilation
        steps = clock.steps(done, steps, after=20)
    assert now[0] == pytest.approx(98.0, abs=0.5), "what is left is for the twenty batches after"
