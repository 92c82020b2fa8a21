"""A distance as an answer, a vector as an answer: what they hold, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from pipeline.errors import ModelOutputInvalid
from pipeline.models.anomaly import AnomalyModel
from pipeline.models.base import Model
from pipeline.models.embedding import EmbeddingModel
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from tests.unit.pipeline import tiny_models as tiny

SIZE = 8


def opened(folder: Path, task: str, nodes: list[Any], outputs: list[str]) -> Model[Any]:
    """A network over pictures of `SIZE` whose outputs are named by their roles."""
    content = tiny.graph(nodes, {}, outputs, SIZE)
    table = tiny.entry("own", content, task, SIZE, {name: name for name in outputs})
    manifest = tiny.write_pack(folder, [content], [table])
    return ModelRoom([read_manifest(manifest, "tiny")]).load("own")


def strangeness(folder: Path, sign: str = "Abs") -> Any:
    """The map is each pixel's mean value, the score its largest."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[3], keepdims=0),
        helper.make_node(sign, ["mean"], ["map"]),
        helper.make_node("ReduceMax", ["map"], ["score"], axes=[1, 2], keepdims=0),
    ]
    return opened(folder, "anomaly", nodes, ["score", "map"])


def picture(value: int) -> Any:
    made = np.zeros((SIZE, SIZE, 3), np.uint8)
    made[2, 5] = value
    return made


def test_a_picture_has_a_score_and_a_map(tmp_path: Path) -> None:
    model = strangeness(tmp_path)
    assert isinstance(model, AnomalyModel)
    one, other = model.predict([picture(90), picture(30)])
    assert one.score == pytest.approx(one.map[2, 5])
    assert one.map.shape == (SIZE, SIZE)
    assert one.score > other.score


def test_a_distance_below_nothing_is_refused(tmp_path: Path) -> None:
    good, bad = strangeness(tmp_path / "good"), strangeness(tmp_path / "bad", "Neg")
    assert isinstance(bad.predict([picture(90)])[0], ModelOutputInvalid)
    assert not isinstance(good.predict([picture(90)])[0], ModelOutputInvalid)


def test_an_embedding_is_a_vector_or_a_grid(tmp_path: Path) -> None:
    mean = helper.make_node("ReduceMean", ["image"], ["embedding"], axes=[1, 2], keepdims=0)
    vector = opened(tmp_path / "vector", "embedding", [mean], ["embedding"])
    same = helper.make_node("Identity", ["image"], ["embedding"])
    grid = opened(tmp_path / "grid", "embedding", [same], ["embedding"])
    flat = helper.make_node("ReduceMean", ["image"], ["embedding"], axes=[3], keepdims=0)
    plane = opened(tmp_path / "plane", "embedding", [flat], ["embedding"])
    assert isinstance(vector, EmbeddingModel)
    assert vector.predict([picture(90)])[0].shape == (3,)
    assert grid.predict([picture(90)])[0].shape == (SIZE, SIZE, 3)
    assert isinstance(plane.predict([picture(90)])[0], ModelOutputInvalid)
