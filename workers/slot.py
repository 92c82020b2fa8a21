"""One slot: a ``celery worker -P prefork -c 1`` process group, watched from outside and restarted when it fails.

Celery does not replace a child that dies while Redis is away, and its own time limits are not used: the supervisor
watches the child itself.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from tasks.app import QUEUES
from workers import board
from workers.board import Notice

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 30.0
STEADY_S = 10.0
"""A child that lived longer than this is restarted without a pause."""

START_S = 120.0
"""Seconds a child may take until its first notice; longer means that it cannot start."""


@dataclass(frozen=True, slots=True)
class LostOwner:
    """A child that is gone. ``crashed`` charges its pictures; ``code`` is how one ends that is charged too often."""

    owner: UUID
    crashed: bool
    code: str = "POISON_INPUT"


Release = Callable[[LostOwner], None]


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """What a slot is: its name, the queues it serves, the GPU it sees (None: none) and that one's megabytes."""

    name: str
    kinds: tuple[str, ...]
    gpu: int | None = None
    gpu_mb: int | None = None


class Slot:
    """A slot's processes. ``check`` is called a few times a second by the supervisor."""

    def __init__(self, plan: SlotPlan, host: str, folder: Path, release: Release) -> None:
        self.plan = plan
        self.node = f"{plan.name}@{host}"
        self._board = folder / f"{plan.name}.json"
        self._release = release
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._not_before = 0.0
        self._failures = 0

    def check(self) -> None:
        """Start the slot if it is down; end it if its child is gone, late or never came up."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._not_before:
                self._start(now)
            return
        notice = board.read(self._board)
        trouble = self._trouble(notice, now)
        if trouble:
            self._end(notice, trouble, now)

    def _trouble(self, notice: Notice | None, now: float) -> str | None:
        assert self._process is not None
        if self._process.poll() is not None:
            return "WORKER_GONE"
        if notice is None:
            return "WORKER_GONE" if now - self._started > START_S else None
        if not board.alive(notice.pid):
            return "WORKER_GONE"
        if notice.deadline is not None and now > notice.deadline:
            return "STAGE_TIMEOUT"
        return None

    def _end(self, notice: Notice | None, trouble: str, now: float) -> None:
        self._kill()
        log.warning("slot %s: %s; restarting", self.node, trouble, extra={"stage": notice.stage if notice else None})
        if notice is not None:
            code = "STAGE_TIMEOUT" if trouble == "STAGE_TIMEOUT" else "POISON_INPUT"
            self._release(LostOwner(notice.owner_id, crashed=True, code=code))
        self._failures = 0 if now - self._started > STEADY_S else self._failures + 1
        self._not_before = now + min(LONGEST_PAUSE_S, 0.5 * 2**self._failures if self._failures else 0.0)
        self._process = None

    def ask_to_stop(self) -> None:
        """No more claims from now on; the stage at work may finish."""
        notice = board.read(self._board)
        if self._process is None:
            return
        if notice is not None and board.alive(notice.pid):
            os.kill(notice.pid, signal.SIGUSR2)
        self._process.terminate()

    def finish(self, until: float) -> None:
        """Wait for the end until that moment, then kill; what was leased is handed back, charged to nobody."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("slot %s did not stop in time; killed", self.node)
        self._kill()
        notice = board.read(self._board)
        if notice is not None:
            self._release(LostOwner(notice.owner_id, crashed=False))
        self._process = None

    def _start(self, now: float) -> None:
        self._board.unlink(missing_ok=True)
        celery_queues = [name for name in QUEUES if name.partition(".")[0] in self.plan.kinds]
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "celery", "--quiet", "-A", "workers.app", "worker"),
                *(
                    "--pool=prefork",
                    "--concurrency=1",
                    f"--hostname={self.node}",
                    f"--queues={','.join(celery_queues)}",
                ),
                *("--without-gossip", "--without-mingle", "--task-events", "--loglevel=WARNING"),
            ],
            env=self._environment(),
            start_new_session=True,
            preexec_fn=_die_with_supervisor,  # noqa: PLW1509  the supervisor has one thread when it starts slots
        )
        self._started = now

    def _environment(self) -> dict[str, str]:
        memory = {} if self.plan.gpu_mb is None else {"SCANMILL_MODEL_GPU_MEMORY_MB": str(self.plan.gpu_mb)}
        return {
            **os.environ,
            **memory,
            "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
            "CUDA_VISIBLE_DEVICES": "" if self.plan.gpu is None else str(self.plan.gpu),
            "SCANMILL_MODEL_DEVICE": "cpu" if self.plan.gpu is None else "cuda",
            "SCANMILL_SLOT_NODE": self.node,
            "SCANMILL_SLOT_QUEUES": ",".join(self.plan.kinds),
            "SCANMILL_SLOT_BOARD": str(self._board),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def _kill(self) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _die_with_supervisor() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)
