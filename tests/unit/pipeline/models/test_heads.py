"""Several heads in one output: a softmax over each by itself, labels by group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelLoadError, ModelOutputInvalid
from pipeline.models.base import probabilities
from pipeline.models.heads import HeadsAnswer
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from tests.unit.pipeline import tiny_models as tiny

LABELS = ("dark", "light", "red", "green", "blue")
GROUPS = {"lightness": (0, 1), "hue": (2, 3, 4)}
WEIGHTS = [[-4.0, 4.0, 9.0, 0.0, 0.0], [-4.0, 4.0, 0.0, 9.0, 0.0], [-4.0, 4.0, 0.0, 0.0, 9.0]]
BIAS = [6.0, -6.0, 0.0, 0.0, 0.0]


def network(weights: object = WEIGHTS) -> bytes:
    nodes = [
        tiny.helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0),
        tiny.helper.make_node("Gemm", ["mean", "weights", "bias"], ["logits"]),
    ]
    return tiny.graph(nodes, {"weights": tiny.floats(weights), "bias": tiny.floats(BIAS)}, ("logits",), 16)


def room(folder: Path, content: bytes, groups: dict[str, tuple[int, ...]], plain: str = "") -> ModelRoom:
    shared = "\n".join(f"{head} = {list(at)}" for head, at in groups.items())
    more = f"{plain}[model.labels]\nlogits = {list(LABELS)}\n[model.groups]\n{shared}"
    table = tiny.entry("heads", content, "heads", 16, {"logits": "logits"}, more)
    return ModelRoom([read_manifest(tiny.write_pack(folder, [content], [table]), "tiny")])


def plain(*colour: int) -> Any:
    return np.full((20, 30, 3), colour, np.uint8)


def test_each_head_has_its_own_softmax(tmp_path: Path) -> None:
    answer = room(tmp_path, network(), GROUPS).load("heads").predict([plain(255, 51, 0)])[0]
    assert isinstance(answer, HeadsAnswer)
    assert list(answer.heads) == ["lightness", "hue"] and list(answer.heads["hue"]) == ["red", "green", "blue"]
    mean = np.array([1, 0.2, 0])
    logits = mean @ np.array(WEIGHTS) + BIAS
    assert list(answer.heads["hue"].values()) == pytest.approx(probabilities(logits[2:]), abs=1e-6)
    assert [sum(head.values()) for head in answer.heads.values()] == pytest.approx([1, 1])


def test_the_temperature_divides_every_head(tmp_path: Path) -> None:
    sure = room(tmp_path / "a", network(), GROUPS).load("heads").predict([plain(255, 0, 0)])[0]
    unsure = room(tmp_path / "b", network(), GROUPS, "temperature = 4.0\n").load("heads").predict([plain(255, 0, 0)])[0]
    for head in GROUPS:
        assert 0.34 < max(unsure.heads[head].values()) < max(sure.heads[head].values())


@pytest.mark.parametrize(
    "groups", [{}, {"lightness": (0, 1)}, {"a": (0, 1, 2), "b": (2, 3, 4)}, {"a": (0, 1, 2, 3, 5)}]
)
def test_groups_that_do_not_share_out_the_labels_are_refused(
    tmp_path: Path, groups: dict[str, tuple[int, ...]]
) -> None:
    with pytest.raises(ModelLoadError, match="each to one head"):
        room(tmp_path, network(), groups).load("heads")


def test_a_network_with_another_number_of_logits_or_none_that_is_finite_is_no_answer(tmp_path: Path) -> None:
    fewer = room(tmp_path / "a", network([row[:4] for row in WEIGHTS]), GROUPS).load("heads")
    broken = room(tmp_path / "b", network([[float("nan")] * 5] * 3), GROUPS).load("heads")
    for model in (fewer, broken):
        assert isinstance(model.predict([plain(9, 9, 9)])[0], Exception)
    assert isinstance(broken.predict([plain(9, 9, 9)])[0], ModelOutputInvalid)
