"""Networks asked in their order until one answers; which one did is told, and nothing is made up when none does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelUnavailable
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.stages.classify_heads import ClassifyHeads
from tests.unit.pipeline import tiny_models as tiny
from tests.unit.pipeline.items import canonical, code, item, plain, run

STAGE = ClassifyHeads(choices=("first", "second"))
LABELS = ("dark", "light", "red", "green", "blue")
GROUPS = "lightness = [0, 1]\nhue = [2, 3, 4]\n"
WEIGHTS = [[-4.0, 4.0, 9.0, 0.0, 0.0], [-4.0, 4.0, 0.0, 9.0, 0.0], [-4.0, 4.0, 0.0, 0.0, 9.0]]
BIAS = (6.0, -6.0, 0.0, 0.0, 0.0)
NAN = float("nan")


def network(weights: object = WEIGHTS, bias: object = BIAS) -> bytes:
    nodes = [
        tiny.helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0),
        tiny.helper.make_node("Gemm", ["mean", "weights", "bias"], ["logits"]),
    ]
    return tiny.graph(nodes, {"weights": tiny.floats(weights), "bias": tiny.floats(bias)}, ("logits",), 16)


def room(folder: Path, first: bytes | None, second: bytes | None) -> ModelRoom:
    """Both are in the manifest; None: its file is missing."""
    contents, tables = [], []
    for name, content in (("first", first), ("second", second)):
        told = content if content is not None else f"no file of {name}".encode()
        more = f"[model.labels]\nlogits = {list(LABELS)}\n[model.groups]\n{GROUPS}"
        tables.append(tiny.entry(name, told, "heads", 16, {"logits": "logits"}, more))
        contents += [content] if content is not None else []
    return ModelRoom([read_manifest(tiny.write_pack(folder, contents, tables), "tiny")])


def asked(models: ModelRoom, *pictures: Any) -> list[Any]:
    return run(STAGE, [item(decode_image=canonical(picture)) for picture in pictures], models)


RED, GREY = plain(255, 0, 0), plain(128, 128, 128)


def test_the_first_one_answers_every_head(tmp_path: Path) -> None:
    red, grey = (answer.data for answer in asked(room(tmp_path, network(), network()), RED, GREY))
    assert (red["answered_by"], red["passed_over"]) == ("first", [])
    hue, unsure = red["findings"]["hue"], grey["findings"]["hue"]
    assert (hue["label"], hue["likeliest"], hue["needs_review"]) == ("red", "red", False)
    assert hue["confidence"] == max(hue["probabilities"].values()) > 0.99
    assert sum(hue["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert (unsure["label"], unsure["needs_review"], unsure["threshold"]) == ("uncertain", True, 0.6)
    assert unsure["likeliest"] in LABELS and unsure["confidence"] == pytest.approx(1 / 3, abs=1e-5)


@pytest.mark.parametrize(
    ("first", "why"), [(None, "MODEL_UNAVAILABLE"), (network([[NAN] * 5] * 3), "MODEL_OUTPUT_INVALID")]
)
def test_the_second_answers_where_the_first_cannot(tmp_path: Path, first: bytes | None, why: str) -> None:
    (answer,) = asked(room(tmp_path, first, network()), RED)
    assert answer.data["answered_by"] == "second"
    assert answer.data["passed_over"] == [{"model": "first", "code": why}]
    assert answer.data["findings"]["hue"]["label"] == "red"


def test_only_the_pictures_that_it_could_not_answer_go_to_the_second(tmp_path: Path) -> None:
    """The first has no finite answer to a white picture: 3e38 three times over is more than a float holds."""
    bright = [[3e38, 0.0, 9.0, 0.0, 0.0], [3e38, 0.0, 0.0, 9.0, 0.0], [3e38, 0.0, 0.0, 0.0, 9.0]]
    models = room(tmp_path, network([[0.0, 0.0, *row[2:]] for row in bright], BIAS), network())
    assert [answer.data["answered_by"] for answer in asked(models, RED, GREY)] == ["first", "first"]
    models = room(tmp_path / "b", network(bright), network())
    white = np.full((40, 40, 3), 255, np.uint8)
    answers = asked(models, plain(0, 0, 0), white)
    assert [answer.data["answered_by"] for answer in answers] == ["first", "second"]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (None, network([[NAN] * 5] * 3), "MODEL_OUTPUT_INVALID"),
        (network([[NAN] * 5] * 3), None, "MODEL_OUTPUT_INVALID"),
        (network([row[:4] for row in WEIGHTS], BIAS[:4]), network([[NAN] * 5] * 3), "MODEL_OUTPUT_INVALID"),
    ],
)
def test_where_none_answers_there_is_no_finding(
    tmp_path: Path, first: bytes | None, second: bytes | None, expected: str
) -> None:
    (answer,) = asked(room(tmp_path, first, second), RED)
    assert code(answer) == expected


def test_without_any_network_there_is_nothing_to_run(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable):
        asked(room(tmp_path, None, None), RED)
