"""Heat maps follow the label, and a map that says nothing is not made into a picture of something."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.contracts import RunState
from pipeline.stage import Need, StageInput
from pipeline.stages.explain_findings import ExplainFindings
from tests.unit.pipeline.items import ended, item, need, plain, run

STAGE = ExplainFindings(regions=("left_eye", "mouth"))
CROP = plain(120, 110, 100, (224, 224))
BOX = {"x": 10, "y": 20, "width": 70, "height": 70}
OUTSIDE = ended(RunState.ABSTAINED, "REGION_OUTSIDE_IMAGE", {"region": "mouth"})


def corner(value: float = 2.0, rest: float = 0.0) -> Any:
    """A map with something in its upper left cell."""
    cam = np.full((7, 7), rest)
    cam[0, 0] = value
    return cam


def finding(region: str, cam: Any, abnormal: float = 0.9) -> Need:
    told = {"normal": 1 - abnormal, "abnormal": abnormal}
    values = cam.tolist() if cam is not None else None
    return need({"region": region, "probabilities": told, "cam": values, "cam_for": "abnormal" if values else None})


def given(eye: Need, mouth: Need = OUTSIDE, visible: dict[str, int] | None = None) -> StageInput:
    region = {"box": BOX, "visible": visible or BOX, "inside": True}
    cropped = need({"regions": {"left_eye": region, "mouth": region}}, crop_left_eye=CROP, crop_mouth=CROP)
    return item(crop_regions=cropped, classify_left_eye=eye, classify_mouth=mouth)


def warmth(picture: Any) -> Any:
    """How far each pixel is from the plain crop."""
    return np.abs(picture.astype(int) - CROP).sum(axis=2)


def test_an_overlay_for_each_finding_and_none_for_a_region_left_out() -> None:
    answer = run(STAGE, [given(finding("left_eye", corner()))])[0]
    assert set(answer.artifacts) == {"heatmap_left_eye"} and set(answer.data["heatmaps"]) == {"left_eye"}
    assert not answer.artifacts["heatmap_left_eye"].lossless
    told = answer.data["heatmaps"]["left_eye"]
    assert told["label"] == "abnormal" and "class activation map" in told["method"]
    assert told["quality"] == {"finite": True, "flat": False, "inside": 1.0}


def test_the_heat_is_where_the_map_speaks_for_the_label() -> None:
    for abnormal, cam in ((0.9, corner(2.0)), (0.1, corner(-2.0)), (0.55, corner(2.0)), (0.1, corner(-2.0, 1.0))):
        picture = run(STAGE, [given(finding("left_eye", cam, abnormal))])[0].artifacts["heatmap_left_eye"].pixels
        heat = warmth(picture)
        assert heat[8, 8] > 100 and heat[100:, 100:].max() == 0


@pytest.mark.parametrize(
    ("cam", "abnormal"),
    [
        (np.zeros((7, 7)), 0.9),
        (np.full((7, 7), 3.0), 0.9),  # everywhere alike
        (np.full((7, 7), 3.0) + np.eye(7) * 0.1, 0.9),  # nearly
        (corner(2.0, 1.0), 0.1),  # speaks against the label everywhere
        (corner(1e-12), 0.9),
    ],
)
def test_a_flat_map_shows_the_plain_crop_and_says_so(cam: Any, abnormal: float) -> None:
    answer = run(STAGE, [given(finding("left_eye", cam, abnormal))])[0]
    assert answer.data["heatmaps"]["left_eye"]["quality"] == {"finite": True, "flat": True, "inside": None}
    assert np.array_equal(answer.artifacts["heatmap_left_eye"].pixels, CROP)


def test_a_map_that_is_not_finite_shows_the_plain_crop_and_says_so() -> None:
    answer = run(STAGE, [given(finding("left_eye", corner(float("nan"))))])[0]
    assert answer.data["heatmaps"]["left_eye"]["quality"] == {"finite": False, "flat": True, "inside": None}
    assert np.array_equal(answer.artifacts["heatmap_left_eye"].pixels, CROP)


def test_energy_beside_the_picture_is_counted() -> None:
    """Of a box of 70 the left 15 columns are not picture: one and a half cells of the map."""
    visible = {"x": 25, "y": 20, "width": 55, "height": 70}
    cam = np.zeros((7, 7))
    cam[3, 0] = cam[3, 1] = cam[3, 2] = cam[3, 6] = 1.0
    quality = run(STAGE, [given(finding("left_eye", cam), visible=visible)])[0].data["heatmaps"]["left_eye"]["quality"]
    assert quality["inside"] == pytest.approx((0 + 0.5 + 1 + 1) / 4)


def test_a_network_without_a_map_is_not_explained() -> None:
    answer = run(STAGE, [given(finding("left_eye", None), finding("mouth", corner()))])[0]
    assert set(answer.data["heatmaps"]) == {"mouth"} == {name.removeprefix("heatmap_") for name in answer.artifacts}


def test_no_finding_is_an_answer_without_pictures() -> None:
    failed = ended(RunState.FAILED, "MODEL_OUTPUT_INVALID")
    answers = run(STAGE, [given(failed), given(finding("left_eye", corner()))])
    assert answers[0].data == {"heatmaps": {}} and not answers[0].artifacts
    assert answers[1].artifacts
