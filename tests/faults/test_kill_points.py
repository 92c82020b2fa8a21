"""SIGKILL of a worker child at every kill point of a stage: nothing lost, nothing doubled, the same report to the byte.

``make test`` does half of the points at a CPU stage and the other half at a GPU stage; ``make faults`` does every point of
every stage. A slot that dies again and again is started again ever later, so each further kill takes longer.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.systems.cat_face import CAT_FACE
from tests.faults.points import POINTS
from tests.faults.runs import reports
from tests.stack import Stack, until

QUICK = {
    "decode_image": ("after_claim", "in_run", "after_put", "after_commit"),
    "detect_face": ("after_run", "mid_put", "before_commit", "after_ring"),
}
STORING = {"fetch_input", "decode_image", "remove_background", "detect_face", "crop_regions"}
STORING |= {"explain_findings", "render_preview"}
"""Stages that write artifacts: the others never pass the point in the middle of a put."""


def points(stage: str) -> list[str]:
    return [point for point in POINTS if point != "mid_put" or stage in STORING]


CASES = [
    pytest.param(stage.name, point, marks=() if point in QUICK.get(stage.name, ()) else pytest.mark.slow)
    for stage in CAT_FACE.stages
    for point in points(stage.name)
]


@pytest.fixture(scope="module")
def golden(stack: Stack) -> list[str]:
    """The reports of an undisturbed run."""
    return reports(stack)


@pytest.mark.parametrize(("stage", "point"), CASES)
def test_a_killed_worker_loses_and_doubles_nothing(
    stack: Stack, traps: Path, golden: list[str], stage: str, point: str
) -> None:
    trap = traps / f"{stage}.{point}"
    assert reports(stack, before=trap.unlink) == golden
    until(trap.exists, 1, lambda: f"nobody passed {trap.name}")
