"""Batches drawn ahead by several processes; which process draws a batch never shows in it."""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from math import prod
from mmap import mmap
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import cv2
import numpy as np

from training.budget import Stage
from training.data import Pixels

Batch: TypeAlias = tuple[Any, ...]
"""(pixels uint8 [N,S,S,3], *targets)"""
Draw: TypeAlias = Callable[[np.random.Generator, Stage], Batch]
Shape: TypeAlias = tuple[int, ...]

AHEAD: Final = 2
"""Batches waiting for each process."""
kept: dict[str, Any] = {}
"""What a drawing process was started with."""


class Drawing:
    """Batch `n` of stage `s` is `draw(generator seeded (seed, s, n), stage)`, whatever the number of processes.

    The processes are forked at once and share the decoded pictures that `draw` holds; start them before the
    first network is built, since a fork does not copy the threads of a running backend. Pixels come back
    through memory shared with them: a pipe passes under 100 MB/s and would keep any card waiting.
    """

    def __init__(self, draw: Draw, seed: int, processes: int, largest: int) -> None:
        """Fork `processes` (at least one); `largest` is the most bytes of pixels in a batch."""
        self.slots = [mmap(-1, largest) for _ in range(AHEAD * max(1, processes) + 1)]
        self.pool = ProcessPoolExecutor(
            max(1, processes),
            multiprocessing.get_context("fork"),
            initializer=keep,
            initargs=(draw, seed, self.slots),
        )
        self.pool.submit(os.getpid).result()
        self.waiting: deque[tuple[int, Future[tuple[Shape, Batch]]]] = deque()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the processes; what they had drawn ahead is thrown away."""
        self.pool.shutdown(cancel_futures=True)

    def batches(self, turn: int, stage: Stage, first: int = 0) -> Iterator[Batch]:
        """Batches of the `turn`-th stage from `first` on without end. The pixels of one are good until the next is asked for."""
        while self.waiting:  # of a stage before: nobody may still be writing into a slot
            _, left = self.waiting.popleft()
            _ = left.cancel() or left.result()
        free, number = list(range(len(self.slots))), first
        while True:
            while free:
                slot = free.pop()
                self.waiting.append((slot, self.pool.submit(one, turn, number, stage, slot)))
                number += 1
            slot, drawn = self.waiting.popleft()
            shape, targets = drawn.result()
            yield seen(self.slots[slot], shape), *targets
            free.append(slot)


def seen(memory: mmap, shape: Shape) -> Pixels:
    """A batch of pixels in shared memory, not copied."""
    return np.frombuffer(memory, np.uint8, prod(shape)).reshape(shape)


def keep(draw: Draw, seed: int, slots: list[mmap]) -> None:
    """Start of a drawing process: one thread for pictures, since there are many processes, one that ends it.

    Out of the trainer's process group, so that who stops the group does not take the batches from under its last step.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.setpgrp()
    cv2.setNumThreads(1)
    kept.update(draw=draw, seed=seed, slots=slots)
    threading.Thread(target=outlive_nobody, args=(os.getppid(),), daemon=True).start()


def outlive_nobody(parent: int) -> None:
    """End this process soon after its parent, which may have been killed."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def one(turn: int, number: int, stage: Stage, slot: int) -> tuple[Shape, Batch]:
    """Draw one batch in a drawing process: its pixels go to a slot, their shape and the targets come back."""
    pixels, *targets = kept["draw"](np.random.default_rng((kept["seed"], turn, number)), stage)
    seen(kept["slots"][slot], pixels.shape)[:] = pixels
    return pixels.shape, tuple(targets)
