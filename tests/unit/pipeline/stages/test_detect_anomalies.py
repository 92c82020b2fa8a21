"""A distance becomes a score and a band that say no more than they know; what stands out of the map gets a box."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from pipeline.errors import ModelOutputInvalid, ModelUnavailable
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.stage import StageInput, StageOutput
from pipeline.stages.detect_anomalies import DetectAnomalies
from tests.unit.pipeline import tiny_models as tiny
from tests.unit.pipeline.items import canonical, code, item

SIZE = 14
SCALE = {"typical_score": 0.3, "score": 0.5, "typical_place": 0.2, "place": 0.4}
STAGE = DetectAnomalies(model="own")


def network(folder: Path, thresholds: dict[str, float], last: str = "Identity") -> Any:
    """The map is each pixel's brightness 0..1, the score the brightest pixel's."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[3], keepdims=0),
        helper.make_node(last, ["mean"], ["map"]),
        helper.make_node("ReduceMax", ["map"], ["score"], axes=[1, 2], keepdims=0),
    ]
    content = tiny.graph(nodes, {}, ["score", "map"], SIZE)
    told = "[model.thresholds]\n" + "\n".join(f"{name} = {value}" for name, value in thresholds.items())
    table = tiny.entry("own", content, "anomaly", SIZE, {"score": "score", "map": "map"}, told)
    return ModelRoom([read_manifest(tiny.write_pack(folder, [content], [table]), "tiny")]).load("own")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return network(tmp_path_factory.mktemp("own"), SCALE)


def bright(value: int, *places: tuple[int, int], size: tuple[int, int] = (140, 280)) -> Any:
    """Grey 20 with bright squares of 30 × 60 pixels, x and y of their corners in it."""
    picture = np.full((*size, 3), 20, np.uint8)
    for x, y in places:
        picture[y : y + 30, x : x + 60] = value
    return picture


def judged(model: Any, *pictures: Any, stage: DetectAnomalies = STAGE) -> list[Any]:
    return list(stage.run([item(decode_image=canonical(each)) for each in pictures], {"own": model}))


def flat(score: float) -> Any:
    """A picture whose network's score is near that: one grey all over."""
    return np.full((28, 28, 3), round(score * 255), np.uint8)


@pytest.mark.row("S4.7")
def test_typical_and_limit_become_what_they_should(model: Any) -> None:
    typical, limit = judged(model, flat(76.5 / 255), flat(127.5 / 255))
    assert typical.data["score"] == pytest.approx(0.05, abs=0.01)
    assert limit.data["score"] == pytest.approx(0.5, abs=0.05)
    assert limit.data["scale"] == {"typical": 0.3, "limit": 0.5}
    scores = [each.data["score"] for each in judged(model, *(flat(value / 10) for value in range(11)))]
    assert scores == sorted(scores) and scores[0] < 0.001 and scores[-1] > 0.99


@pytest.mark.row("S4.8", "S4.19", "S4.20", "S4.21", "S4.22")
@pytest.mark.parametrize(
    ("score", "band"),
    [(0.0, "Normal"), (0.299999, "Normal"), (0.3, "Potential"), (0.499999, "Potential"), (0.5, "Overloway"),
     (0.799999, "Overloway"), (0.8, "Faulty"), (1.0, "Faulty")],
)  # fmt: skip
def test_bands_are_half_open_and_leave_no_gap(score: float, band: str) -> None:
    told = STAGE._judged(score)
    assert told["band"] == told["findings"]["anomaly"]["label"] == band
    assert [(each["from"], each["to"]) for each in told["bands"]] == [(0, 0.3), (0.3, 0.5), (0.5, 0.8), (0.8, 1)]


@pytest.mark.row("S4.10")
def test_anomalous_has_a_threshold_of_its_own() -> None:
    careful = DetectAnomalies(model="own", threshold=0.4)
    assert careful._judged(0.4)["is_anomalous"] and careful._judged(0.4)["band"] == "Potential"
    assert not STAGE._judged(0.4)["is_anomalous"]


@pytest.mark.row("S4.9")
@pytest.mark.parametrize(
    ("score", "confidence"), [(0.0, 1.0), (0.15, 0.5), (0.3, 0.0), (0.4, 1.0), (0.5, 0.0), (0.65, 1.0), (0.9, 0.5), (1.0, 1.0)]
)  # fmt: skip
def test_confidence_is_how_far_inside_its_band_a_score_lies(score: float, confidence: float) -> None:
    told = STAGE._judged(score)
    assert told["confidence"] == pytest.approx(confidence)
    assert told["findings"]["anomaly"]["needs_review"] is (confidence < 0.2)


@pytest.mark.parametrize("starts", [(0.3, 0.5), (0.5, 0.3, 0.8), (0.3, 0.3, 0.8), (0.0, 0.5, 0.8), (0.3, 0.5, 1.0)])
def test_bands_that_are_none_are_refused(starts: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="bands begin"):
        DetectAnomalies(model="own", starts=starts)


@pytest.mark.row("S4.11")
def test_what_stands_out_has_a_box_in_the_picture_s_pixels(model: Any) -> None:
    [found] = judged(model, bright(250, (180, 40)))
    [box] = found.data["boxes"]
    assert box["x"] == pytest.approx(180, abs=12) and box["y"] == pytest.approx(40, abs=8)
    assert box["width"] == pytest.approx(60, abs=20) and box["height"] == pytest.approx(30, abs=14)
    assert box["type"] == "Critical" and box["confidence"] > 0.8
    mask = found.artifacts["anomaly_mask"].pixels
    assert set(np.unique(mask)) == {0, 255} and mask[88, 168] == 255 and mask[10, 10] == 0


def test_two_places_have_two_boxes_the_strangest_first(model: Any) -> None:
    [found] = judged(model, bright(230, (20, 20), (200, 90)), stage=STAGE)
    assert len(found.data["boxes"]) == found.data["boxes_found"] == 2
    picture = bright(118, (20, 20))
    picture[90:120, 200:260] = 250
    [found] = judged(model, picture)
    assert [box["x"] > 100 for box in found.data["boxes"]] == [True, False]
    assert [box["type"] for box in found.data["boxes"]] == ["Critical", "Moderate"]


def test_what_is_like_the_memory_has_no_box(model: Any) -> None:
    [found] = judged(model, bright(20))
    assert found.data["boxes"] == [] and found.data["band"] == "Normal" and not found.data["is_anomalous"]
    assert found.artifacts["anomaly_mask"].pixels.max() == 0


def test_a_picture_unlike_all_that_is_remembered_is_for_a_person(model: Any) -> None:
    odd, strange = judged(model, bright(250, (180, 40)), flat(0.9))
    assert odd.data["familiar"] and odd.data["map"]["above"] == pytest.approx(30 * 60 / (140 * 280), abs=0.04)
    assert not strange.data["familiar"] and strange.data["map"]["above"] == 1
    assert [each.data["findings"]["anomaly"]["needs_review"] for each in (odd, strange)] == [False, True]


def test_the_map_has_one_scale_for_every_picture(model: Any) -> None:
    """White is three limits, whatever the picture."""
    [found] = judged(model, flat(0.4))
    assert np.median(found.artifacts["anomaly_map"].pixels) == pytest.approx(85, abs=1)
    assert found.data["map"]["highest"] == pytest.approx(1, abs=0.02)


def typed(kind: str | None, picture: Any) -> StageInput:
    return StageInput({"decode_image": canonical(picture)}, {} if kind is None else {"asset_type": kind})


def test_each_type_is_compared_with_its_own_memory(model: Any, tmp_path: Path) -> None:
    """The pump's limits are twice as wide: the same picture is odd for all else and normal for a pump."""
    pump = network(tmp_path, {name: 2 * value for name, value in SCALE.items()})
    stage = DetectAnomalies(model="own", option_values=("pump", "bushing"))
    assert stage.models == ("own", "own_pump", "own_bushing")
    items = [typed(kind, flat(0.6)) for kind in ("pump", None, "valve", "bushing", "pump")]
    found = stage.run(items, {"own": model, "own_pump": pump})
    assert [code(each) for each in found] == ["ok", "ok", "ASSET_TYPE_UNKNOWN", "MODEL_UNAVAILABLE", "ok"]
    told = [each.data for each in found if isinstance(each, StageOutput)]
    assert [each["band"] for each in told] == ["Normal", "Faulty", "Normal"]
    assert [each["memory"] for each in told[:2]] == [
        {"model": "own_pump", "asset_type": "pump"}, {"model": "own", "asset_type": None},
    ]  # fmt: skip


def test_another_type_may_be_compared_with_the_common_memory(model: Any) -> None:
    [found] = DetectAnomalies(model="own", any_value=True).run([typed("valve", flat(0.6))], {"own": model})
    assert isinstance(found, StageOutput) and found.data["memory"] == {"model": "own", "asset_type": "valve"}


def test_an_answer_that_is_none_harms_its_own_picture_alone(tmp_path: Path) -> None:
    model = network(tmp_path, SCALE, last="Log")
    good, bad = judged(model, flat(1.0), flat(0.0))
    assert isinstance(bad, ModelOutputInvalid), "the logarithm of nothing"
    assert isinstance(good, StageOutput)


@pytest.mark.parametrize("wrong", [{"typical_score": 0.5}, {"place": 0.1}])
def test_without_a_scale_there_is_no_score(tmp_path: Path, wrong: dict[str, float]) -> None:
    [found] = judged(network(tmp_path, SCALE | wrong), flat(0.1))
    assert isinstance(found, ModelUnavailable)


def test_a_manifest_that_says_no_limits_is_no_reason_to_make_some_up(tmp_path: Path) -> None:
    [found] = judged(network(tmp_path, {"score": 0.5}), flat(0.1))
    assert isinstance(found, ModelUnavailable)
