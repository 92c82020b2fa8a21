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


METHOD = "Grad-CAM, logit difference at top_activation, closed form"


def finding(
    region: str, cam: Any, peak: float | None = None, loss: float | None = None, method: str | None = METHOD
) -> Need:
    """What a classifier leaves; ``cam`` in any unit, None for one that is not finite or, without a method, not there."""
    largest = 0.0 if cam is None else float(np.abs(cam).max())
    told: dict[str, Any] = {
        "region": region,
        "cam": None if cam is None else (cam / (largest or 1.0)).tolist(),
        "cam_peak": None if cam is None else largest if peak is None else peak,
        "cam_for": "abnormal" if method else None,
        "cam_method": method,
        "deletion": None if loss is None else {"share": 0.2, "loss": loss},
    }
    return need(told)


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
    assert told["label"] == "abnormal" and told["method"] == METHOD, "both are the classifier's words"
    assert told["quality"] == {"finite": True, "flat": False, "inside": 1.0, "deletion": None}


def test_the_heat_is_where_the_map_speaks_for_its_label() -> None:
    for cam in (corner(2.0), corner(2.0, -1.0), corner(1e-3)):
        picture = run(STAGE, [given(finding("left_eye", cam))])[0].artifacts["heatmap_left_eye"].pixels
        heat = warmth(picture)
        assert heat[8, 8] > 100 and heat[100:, 100:].max() == 0


def test_the_seed_s_rainbow_is_a_choice() -> None:
    jet = ExplainFindings(regions=("left_eye", "mouth"), style="jet")
    picture = run(jet, [given(finding("left_eye", corner()))])[0].artifacts["heatmap_left_eye"].pixels.astype(int)
    red, _, blue = picture[2, 2]
    assert red == pytest.approx(0.6 * 120 + 0.4 * 128, abs=2) and blue == pytest.approx(0.6 * 100, abs=2)
    red, _, blue = picture[200, 200]
    assert red == pytest.approx(0.6 * 120, abs=2) and blue == pytest.approx(0.6 * 100 + 0.4 * 128, abs=2)


@pytest.mark.parametrize(
    ("cam", "peak"),
    [
        (np.zeros((7, 7)), None),
        (np.full((7, 7), 3.0), None),  # everywhere alike
        (np.full((7, 7), 3.0) + np.eye(7) * 0.1, None),  # nearly
        (corner(-2.0, -1.0), None),  # speaks against the label everywhere
        (corner(), 1e-12),  # the gradient of a saturated softmax
        (corner(), 0.0),  # the same, rounded
    ],
)
def test_a_flat_map_shows_the_plain_crop_and_says_so(cam: Any, peak: float | None) -> None:
    answer = run(STAGE, [given(finding("left_eye", cam, peak))])[0]
    quality = answer.data["heatmaps"]["left_eye"]["quality"]
    assert quality == {"finite": True, "flat": True, "inside": None, "deletion": None}
    assert np.array_equal(answer.artifacts["heatmap_left_eye"].pixels, CROP)


def test_a_map_that_is_not_finite_shows_the_plain_crop_and_says_so() -> None:
    answer = run(STAGE, [given(finding("left_eye", None))])[0]
    quality = answer.data["heatmaps"]["left_eye"]["quality"]
    assert quality == {"finite": False, "flat": True, "inside": None, "deletion": None}
    assert np.array_equal(answer.artifacts["heatmap_left_eye"].pixels, CROP)


def test_what_deletion_cost_the_label_is_passed_on() -> None:
    answer = run(STAGE, [given(finding("left_eye", corner(), loss=0.31))])[0]
    assert answer.data["heatmaps"]["left_eye"]["quality"]["deletion"] == 0.31


def test_energy_beside_the_picture_is_counted() -> None:
    """Of a box of 70 the left 15 columns are not picture: one and a half cells of the map."""
    visible = {"x": 25, "y": 20, "width": 55, "height": 70}
    cam = np.zeros((7, 7))
    cam[3, 0] = cam[3, 1] = cam[3, 2] = cam[3, 6] = 1.0
    quality = run(STAGE, [given(finding("left_eye", cam), visible=visible)])[0].data["heatmaps"]["left_eye"]["quality"]
    assert quality["inside"] == pytest.approx((0 + 0.5 + 1 + 1) / 4)


def test_a_network_without_a_map_is_not_explained() -> None:
    answer = run(STAGE, [given(finding("left_eye", None, method=None), finding("mouth", corner()))])[0]
    assert set(answer.data["heatmaps"]) == {"mouth"} == {name.removeprefix("heatmap_") for name in answer.artifacts}


def test_no_finding_is_an_answer_without_pictures() -> None:
    failed = ended(RunState.FAILED, "MODEL_OUTPUT_INVALID")
    answers = run(STAGE, [given(failed), given(finding("left_eye", corner()))])
    assert answers[0].data == {"heatmaps": {}} and not answers[0].artifacts
    assert answers[1].artifacts


def test_without_crops_the_map_lies_on_the_whole_picture_shown_smaller() -> None:
    picture = plain(120, 110, 100, (1200, 1600))
    stage = ExplainFindings(needs=("decode_image",), regions=("left_eye",))
    decoded = need({"width": 1600, "height": 1200}, canonical=picture)
    [answer] = run(stage, [item(decode_image=decoded, classify_left_eye=finding("eye", corner()))])
    shown = answer.artifacts["heatmap_left_eye"].pixels
    assert shown.shape == (768, 1024, 3)
    heat = np.abs(shown.astype(int) - (120, 110, 100)).sum(axis=2)
    assert heat[:100, :130].mean() > 50 and heat[400:, 500:].max() < 5
    assert answer.data["heatmaps"]["left_eye"]["quality"]["inside"] == 1
