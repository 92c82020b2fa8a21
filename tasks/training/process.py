"""A training as a process of its own: how it is called, what it says, how it is stopped, and how it ended.

It may be killed at any moment: it writes a checkpoint every minute and on SIGTERM, and goes on from there.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.errors import TrainingFailed, taxonomy
from tasks.training import progress

STOPPED = 75
"""Exit status of a training that was asked to stop and has written its checkpoint."""

MODULE = "training.run"
ROOT = Path(__file__).resolve().parents[2]
_KEPT = ("SCANMILL_TRAINING_", "SCANMILL_MLFLOW_")
_SLOTS_OWN = frozenset({"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PROMETHEUS_MULTIPROC_DIR"})
_REFUSAL = re.compile(r"error: ([A-Z][A-Z0-9_]*) (.{1,300})")
_TAIL = 8_192
SWITCHES = ("again", "train_only")
VALUES = ("teacher", "truth", "start", "budget", "scale", "minutes", "seed")


class TrainingProcess:
    """A running recipe; what it prints goes to ``log``. It is in a session of its own and dies with the caller's thread."""

    def __init__(self, recipe: str, arguments: Sequence[str], told: Path, log: Path) -> None:
        self._told = told
        self._log = log
        told.unlink(missing_ok=True)
        words = [str(os.getpid()), MODULE, recipe, *arguments, "--progress", str(told)]
        with log.open("wb") as lines:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tasks.training.child", *words],
                stdin=subprocess.DEVNULL,
                stdout=lines,
                stderr=lines,
                env=environment(),
                cwd=log.parent,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def progress(self) -> dict[str, Any]:
        """What it said last."""
        return progress.read(self._told)

    def ask_to_stop(self) -> None:
        """SIGTERM: it writes its checkpoint and ends with STOPPED."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def stop(self, grace_s: float) -> int:
        """Ask, wait, then kill whatever is left of it. Its exit status."""
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_s)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL to it and the processes that draw its pictures. Its exit status."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait()

    def refusal(self) -> tuple[str, str | None]:
        """Code and sentence of its last words; no sentence when it did not say it in the agreed way."""
        lines = self.last_words().splitlines()
        said = _REFUSAL.fullmatch(lines[-1].strip()) if lines else None
        if said is None or said[1] not in taxonomy():
            return TrainingFailed.code, None
        return said[1], said[2]

    def last_words(self) -> str:
        """The end of what it printed."""
        with suppress(OSError), self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - _TAIL))
            return file.read().decode(errors="replace")
        return ""


def options(parameters: Mapping[str, Any], data: Path, out: Path) -> list[str]:
    """The command line of a run's parameters. Paths in ``parameters`` are resolved already."""
    words = ["--data", str(data), "--out", str(out)]
    for name in VALUES:
        if parameters.get(name) is not None:
            words += [f"--{name}", str(parameters[name])]
    return words + [f"--{name.replace('_', '-')}" for name in SWITCHES if parameters.get(name)]


def environment() -> dict[str, str]:
    """Ours without what a training has no business with: addresses and keys of the service, and a slot's own settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _SLOTS_OWN and (not name.startswith("SCANMILL_") or name.startswith(_KEPT))
    }
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
