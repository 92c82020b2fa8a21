"""The supervisor: starts, restarts, stops, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.processes import ProcessError
from cli.supervisor import Program, Supervisor, run_once

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def ticked(supervisor: Supervisor, condition: Callable[[], bool]) -> bool:
    """Whether it becomes true while the supervisor works."""

    def tick() -> bool:
        supervisor.tick()
        return condition()

    return within(30, tick)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture
def said() -> list[str]:
    return []


def test_a_dead_program_is_started_again_with_growing_pauses(tmp_path: Path, said: list[str]) -> None:
    supervisor = Supervisor([Program("sleeper", SLEEPER)], {}, tmp_path, said.append)
    supervisor.start()
    try:
        for deaths in (1, 2):
            pid = supervisor.pids()["sleeper"]
            os.kill(pid, signal.SIGKILL)
            assert ticked(supervisor, lambda: "sleeper" not in supervisor.pids())
            assert supervisor.deaths() == {"sleeper": deaths}
            assert ticked(supervisor, lambda: "sleeper" in supervisor.pids())
            assert supervisor.pids()["sleeper"] != pid
    finally:
        supervisor.stop()
    assert [line.split("again in ")[1].split()[0] for line in said] == ["0.5", "1"]


def test_programs_stop_in_reverse_order_and_stubborn_ones_are_killed(tmp_path: Path, said: list[str]) -> None:
    programs = [Program("first", SLEEPER), Program("second", STUBBORN, grace_s=0.5)]
    supervisor = Supervisor(programs, {}, tmp_path, said.append)
    supervisor.start()
    pids = list(supervisor.pids().values())
    assert within(30, lambda: all("up" in supervisor.log(name).read_text() for name in ("first", "second")))
    started = time.monotonic()
    supervisor.stop()
    assert 0.4 < time.monotonic() - started < 20
    assert not any(alive(pid) for pid in pids) and supervisor.pids() == {}


def test_what_a_dead_program_leaves_is_ended_before_it_starts_again(tmp_path: Path, said: list[str]) -> None:
    parent = (
        "import subprocess, time; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); time.sleep(600)"
    )
    supervisor = Supervisor([Program("parent", [sys.executable, "-c", parent])], {}, tmp_path, said.append)
    supervisor.start()
    try:
        assert within(30, lambda: supervisor.log("parent").read_text().strip().isdigit())
        orphan = int(supervisor.log("parent").read_text())
        os.kill(supervisor.pids()["parent"], signal.SIGKILL)
        assert ticked(supervisor, lambda: bool(said))
        assert within(30, lambda: not alive(orphan))
    finally:
        supervisor.stop()


def test_settings_reach_the_program(tmp_path: Path, said: list[str]) -> None:
    show = [sys.executable, "-c", "import os, time; print(os.environ['SCANMILL_X'], flush=True); time.sleep(600)"]
    supervisor = Supervisor([Program("show", show)], {"SCANMILL_X": "told"}, tmp_path, said.append)
    supervisor.start()
    try:
        assert within(30, lambda: supervisor.log("show").read_text() == "told\n")
    finally:
        supervisor.stop()


def test_a_step_that_fails_tells_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="SCANMILL_DATABASE_URL is not set"):
        run_once("migrate", ["migrate"], {}, tmp_path)
