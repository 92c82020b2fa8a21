"""Kill points: silent unless armed, refused outside of tests, and acting on the hit they were told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import faults
from pipeline.faults import FaultInjected, arm, fp

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    arm("", "production")


def plan(*steps: dict[str, object]) -> str:
    return json.dumps([{"point": "look.after_claim", "action": "raise", **step} for step in steps])


def hits(point: str, count: int) -> list[int]:
    """The hits, of that many, on which the point raised."""
    raised = []
    for n in range(1, count + 1):
        try:
            fp(point)
        except FaultInjected:
            raised.append(n)
    return raised


@pytest.mark.parametrize("environment", ["production", "development", "", "Test"])
def test_a_plan_is_refused_outside_of_tests(environment: str) -> None:
    with pytest.raises(ValueError, match="SCANMILL_FAULT_PLAN"):
        arm(plan({}), environment)
    assert hits("look.after_claim", 3) == []


def test_a_refused_plan_leaves_none_behind_and_an_empty_one_disarms() -> None:
    arm(plan({}), "test")
    arm("", "production")
    assert hits("look.after_claim", 3) == []
    arm("[]", "test")
    assert hits("look.after_claim", 3) == []


def test_nothing_happens_at_other_points() -> None:
    arm(plan({}), "test")
    assert hits("look.after_run", 3) == []
    assert hits("look.after_claim", 3) == [1]


def test_a_fault_acts_on_its_nth_hit_and_only_then() -> None:
    arm(plan({"nth": 3}), "test")
    assert hits("look.after_claim", 6) == [3]


def test_arming_again_begins_to_count_again() -> None:
    for _ in range(2):
        arm(plan({"nth": 2}), "test")
        assert hits("look.after_claim", 1) == []


def test_once_is_once_over_all_processes(tmp_path: Path) -> None:
    once = {"once": str(tmp_path / "done"), "nth": 2}
    for expected in ([2], [], []):
        arm(plan(once), "test")  # as another process would
        assert hits("look.after_claim", 4) == expected


def test_once_still_acts_when_the_nth_hit_of_the_process_has_passed(tmp_path: Path) -> None:
    """Another process made the file, then it was removed: the fault is due again."""
    flag = tmp_path / "done"
    arm(plan({"once": str(flag)}), "test")
    assert hits("look.after_claim", 1) == [1]
    flag.unlink()
    assert hits("look.after_claim", 2) == [1]


def test_sleeping_delays_and_goes_on() -> None:
    arm(plan({"action": "sleep:0.05"}), "test")
    began = time.monotonic()
    fp("look.after_claim")
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize(("action", "number"), [("kill9", signal.SIGKILL), ("segv", signal.SIGSEGV)])
def test_killing_ends_the_process_at_that_very_point(action: str, number: int) -> None:
    code = f"from pipeline.faults import arm, fp\narm({plan({'action': action})!r}, 'test')\nfp('look.after_claim')\nprint('alive')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (-number, "")


def test_stopping_holds_the_process_until_it_is_continued() -> None:
    code = f"from pipeline.faults import arm, fp\narm({plan({'action': 'stop'})!r}, 'test')\nfp('look.after_claim')\nprint('alive')"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        _, status = os.waitpid(child.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGSTOP
        child.send_signal(signal.SIGCONT)
        out, _ = child.communicate(timeout=30)
    assert out == "alive\n"


def test_an_unknown_action_is_not_taken_for_another() -> None:
    arm(plan({"action": "explode"}), "test")
    with pytest.raises(KeyError):
        fp("look.after_claim")


def test_a_plan_with_a_misspelt_field_is_refused() -> None:
    with pytest.raises(TypeError):
        arm(plan({"nht": 2}), "test")


def test_an_unarmed_point_costs_next_to_nothing() -> None:
    began = time.thread_time()
    for _ in range(100_000):
        fp("look.after_claim")
    assert time.thread_time() - began < 1.0
    assert faults._armed == {}
