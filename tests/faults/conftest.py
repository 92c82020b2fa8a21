"""One set of real processes for all kill points: each is armed by removing its file, so no test waits for a start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.systems.cat_face import CAT_FACE
from tests.faults.points import POINTS
from tests.stack import Servers, Stack, opened


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one file per kill point of every stage; a point is armed while its file is missing."""
    folder = tmp_path_factory.mktemp("traps")
    for stage in CAT_FACE.stages:
        for point in POINTS:
            (folder / f"{stage.name}.{point}").touch()
    return folder


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, traps: Path, servers: Servers) -> Iterator[Stack]:
    """Control and two worker slots with every kill point laid, none armed."""
    plan = [{"point": trap.name, "action": "kill9", "once": str(trap)} for trap in sorted(traps.iterdir())]
    with opened(servers, tmp_path_factory.mktemp("stack")) as stack:
        stack.start("control")
        stack.start("worker", "--slots", "2", "--allow-cpu", SCANMILL_FAULT_PLAN=json.dumps(plan))
        stack.await_published()
        stack.await_workers(2)
        yield stack
