"""Keeps our own programs running: starts them in order, restarts what dies, stops all in reverse order.

Driven by the main thread's `tick`, since the parent-death signal follows the thread that started a child.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cli import processes
from cli.processes import ProcessError

ROOT = Path(__file__).resolve().parents[1]
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_STEADY_S = 60.0  # after so long a life the next death is not part of a series


@dataclass(frozen=True, slots=True)
class Program:
    """A process to keep, by its command line, how long it may take to stop, and what it alone gets of us."""

    name: str
    argv: Sequence[str]
    grace_s: float = 10.0
    environment: Mapping[str, str] = field(default_factory=dict)
    pass_fds: tuple[int, ...] = ()


@dataclass(slots=True)
class _Kept:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    not_before: float = field(default=0.0)


class Supervisor:
    """Runs programs with logs in `logs`/<name>.log; `tell` gets a line for each restart."""

    def __init__(
        self, programs: Sequence[Program], environment: Mapping[str, str], logs: Path, tell: Callable[[str], None]
    ) -> None:
        self._kept = [_Kept(program) for program in programs]
        self._environment = child_environment(environment)
        self._logs = logs
        self._tell = tell

    def start(self) -> None:
        """Start every program in order, without waiting for it to be ready."""
        for kept in self._kept:
            self._launch(kept)

    def tick(self) -> None:
        """Restart what has died and whose pause is over. Call it a few times a second."""
        for kept in self._kept:
            if kept.process is not None and kept.process.poll() is not None:
                self._note_death(kept, kept.process)
            if kept.process is None and time.monotonic() >= kept.not_before:
                self._launch(kept)

    def stop(self) -> None:
        """Stop every program, last started first; what does not stop in its time is killed with its whole group."""
        for kept in reversed(self._kept):
            if kept.process is not None:
                processes.stop(kept.process, first=signal.SIGTERM, grace_s=kept.program.grace_s)
                kept.process = None

    def deaths(self) -> dict[str, int]:
        """How often each program has died in its present series of deaths."""
        return {kept.program.name: kept.deaths for kept in self._kept}

    def pids(self) -> dict[str, int]:
        """The process id of each program that runs."""
        return {kept.program.name: kept.process.pid for kept in self._kept if kept.process is not None}

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _launch(self, kept: _Kept) -> None:
        name = kept.program.name
        kept.process = processes.start(
            kept.program.argv,
            log=self.log(name),
            env={**self._environment, **kept.program.environment},
            death_signal=signal.SIGKILL,
            pass_fds=kept.program.pass_fds,
        )
        kept.started = time.monotonic()

    def _note_death(self, kept: _Kept, process: subprocess.Popen[bytes]) -> None:
        now = time.monotonic()
        kept.deaths = 1 if now - kept.started > _STEADY_S else kept.deaths + 1
        pause = min(_FIRST_PAUSE_S * 2 ** (kept.deaths - 1), _LONGEST_PAUSE_S)
        kept.not_before = now + pause
        name, status = kept.program.name, process.returncode
        processes.kill_group(process.pid)  # what a dead program leaves behind must not work beside its successor
        kept.process = None
        self._tell(f"{name} ended with status {status}; started again in {pause:g} s (log: {self.log(name)})")


def run_once(name: str, arguments: Sequence[str], environment: Mapping[str, str], logs: Path) -> None:
    """Run a verb to its end, as `migrate`. Raises ProcessError with the end of its log when it fails."""
    log = logs / f"{name}.log"
    process = processes.start(scanmill(*arguments), log=log, env=child_environment(environment))
    try:
        status = process.wait()
    finally:
        processes.kill_group(process.pid)
    if status != 0:
        raise ProcessError(f"{name} failed with status {status}; {processes.last_words(log, lines=12)}")


def scanmill(*arguments: str) -> list[str]:
    """The command line of one of our own verbs, whatever the working directory holds."""
    return [sys.executable, "-P", "-m", "cli", *arguments]


def child_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Our environment with `settings` over it, in which `python -m cli` finds this very source."""
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, **settings, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONUNBUFFERED": "1"}
