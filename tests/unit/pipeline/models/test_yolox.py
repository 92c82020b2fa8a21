"""YOLOX's raw grids become boxes of one class, in the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from pipeline.errors import ModelLoadError, ModelOutputInvalid
from pipeline.models.manifest import ModelEntry, read_manifest
from pipeline.models.sessions import OnnxSession
from pipeline.models.yolox import YoloxModel, _grid
from tests.unit.pipeline import tiny_models as tiny

CELLS = (64 // 8) ** 2 + (64 // 16) ** 2 + (64 // 32) ** 2
PICTURE = np.zeros((64, 64, 3), np.uint8)


def network(raw: Any) -> bytes:
    """A network that answers ``raw`` [A,5+C] to every picture."""
    return tiny.graph(
        [helper.make_node("Identity", ["answer"], ["raw"])], {"answer": np.asarray(raw, np.float32)[None]}, ["raw"], 64
    )


@pytest.fixture
def entry(tmp_path: Path) -> ModelEntry:
    content = network(empty())
    more = "[model.groups]\ncat = [1, 3]\n[model.thresholds]\niou = 0.5"
    manifest = tiny.write_pack(tmp_path, [content], [tiny.entry("animals", content, "yolox", 64, {"raw": "raw"}, more)])
    return read_manifest(manifest, "mine")["animals"]


def empty() -> Any:
    return np.zeros((CELLS, 9), np.float32)


def answer(entry: ModelEntry, raw: Any, picture: Any = PICTURE) -> Any:
    return YoloxModel(entry, OnnxSession(network(raw))).predict([picture])[0]


def one(cell: int, objectness: float, classes: Mapping[int, float]) -> Any:
    raw = empty()
    raw[cell, :5] = (0.5, 0.25, np.log(2), np.log(1), objectness)
    for index, value in classes.items():
        raw[cell, 5 + index] = value
    return raw


@pytest.mark.parametrize(
    ("cell", "box"),
    [
        (8 * 2 + 3, (20, 14, 16, 8)),  # stride 8, row 2, column 3: centre (28, 18)
        (64 + 4 * 1 + 2, (24, 12, 32, 16)),  # stride 16, row 1, column 2: centre (40, 20)
        (64 + 16 + 2, (-16, 24, 64, 32)),  # stride 32, row 1, column 0: centre (16, 40)
    ],
)
def test_a_cell_becomes_a_box_as_computed_by_hand(entry: ModelEntry, cell: int, box: tuple[int, ...]) -> None:
    (found,) = answer(entry, one(cell, 0.5, {1: 0.8, 3: 0.4, 0: 1.0}))
    assert (found.box.x, found.box.y, found.box.width, found.box.height) == pytest.approx(box, abs=1e-4)
    assert found.label == "cat" and found.confidence == pytest.approx(0.5 * 0.8)


def test_other_classes_and_weak_boxes_are_not_told(entry: ModelEntry) -> None:
    assert answer(entry, one(5, 1.0, {0: 1.0, 2: 1.0})) == []
    assert answer(entry, one(5, 0.1, {1: 0.1})) == []


def test_boxes_that_overlap_are_suppressed_and_the_letterbox_is_undone(entry: ModelEntry) -> None:
    raw = one(8 * 2 + 3, 0.9, {1: 1.0}) + one(8 * 2 + 4, 0.8, {3: 1.0})
    raw[8 * 2 + 4, 0] = -0.4
    (found,) = answer(replace(entry, input=replace(entry.input, letterbox=114)), raw, np.zeros((128, 256, 3), np.uint8))
    assert found.confidence == pytest.approx(0.9)
    assert found.box.centre == pytest.approx((28 * 4, (18 - 16) * 4), abs=1e-3)


def test_the_grids_have_the_network_s_order() -> None:
    cells, strides = _grid((416, 416))
    assert len(cells) == 3549
    assert cells[53].tolist() == [1, 1] and strides[53] == 8
    assert (cells[-1].tolist(), strides[-1]) == ([12, 12], 32)


@pytest.mark.parametrize(
    "raw", [np.zeros((CELLS - 1, 9)), np.zeros((CELLS, 8)), np.full((CELLS, 9), np.nan), np.full((CELLS, 9), 3.0)]
)
def test_answers_that_cannot_be_are_invalid(entry: ModelEntry, raw: Any) -> None:
    assert isinstance(answer(entry, raw), ModelOutputInvalid)


def test_a_box_as_large_as_a_number_can_be_is_bounded(entry: ModelEntry) -> None:
    raw = one(3, 1.0, {1: 1.0})
    raw[3, 2] = 1e5
    assert np.isfinite(answer(entry, raw)[0].box.width)


def test_one_group_must_say_what_is_told(entry: ModelEntry) -> None:
    for groups in ({}, {"cat": (1,), "dog": (2,)}):
        with pytest.raises(ModelLoadError, match="groups"):
            YoloxModel(replace(entry, groups=groups), OnnxSession(network(empty())))
