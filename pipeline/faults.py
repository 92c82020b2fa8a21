"""Kill points: named places where a test may kill, stop or delay the process (stdlib only).

``fp("stage.after_claim")`` costs a dictionary look-up and does nothing unless a plan is armed. A plan is refused
unless ``SCANMILL_ENV=test``. Its JSON is a list of ``{"point", "action", "nth", "once"}``: ``action`` is ``kill9``,
``stop``, ``raise``, ``sleep:SECONDS`` or ``segv``; ``nth`` is the hit that acts (1 is the first); ``once`` names a
file whose creation makes the action happen once over all processes.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path


class FaultInjected(RuntimeError):
    """Raised by a plan's ``raise``: stands for a bug."""


@dataclass
class _Fault:
    action: str
    nth: int = 1
    once: str | None = None
    hits: int = field(default=0, init=False)


_armed: dict[str, list[_Fault]] = {}


def arm(plan: str, environment: str) -> None:
    """Arm a plan for this process and its forks; an empty plan disarms. Raises ValueError outside of tests."""
    if plan and environment != "test":
        raise ValueError("SCANMILL_FAULT_PLAN is set but SCANMILL_ENV is not 'test'")
    _armed.clear()
    for step in json.loads(plan or "[]"):
        point = step.pop("point")
        _armed.setdefault(point, []).append(_Fault(**step))


def fp(point: str) -> None:
    """Pass a kill point."""
    for fault in _armed.get(point, ()):
        fault.hits += 1
        if fault.hits >= fault.nth and _first(fault):
            _act(fault.action, point)


def _first(fault: _Fault) -> bool:
    if fault.once is None:
        return fault.hits == fault.nth
    try:
        os.close(os.open(Path(fault.once), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _act(action: str, point: str) -> None:
    if action.startswith("sleep:"):
        time.sleep(float(action.removeprefix("sleep:")))
    elif action == "raise":
        raise FaultInjected(point)
    elif action == "segv":
        ctypes.string_at(0)
    else:
        os.kill(os.getpid(), {"kill9": signal.SIGKILL, "stop": signal.SIGSTOP}[action])
