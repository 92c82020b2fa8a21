"""Measures by region, honest about regions that are not there and about pictures too coarse for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.errors import SkinNotMeasurable
from pipeline.stages.measure_skin import MeasureSkin
from tests.unit.pipeline.items import code, item, need, run

STAGE = MeasureSkin()
REGIONS = ("forehead", "left_cheek", "right_cheek", "left_under_eye", "right_under_eye")


def patch(grey: int, size: int = 120) -> Any:
    """Skin of one colour; a higher ``grey`` is lighter."""
    return np.dstack(
        [np.full((size, size, 3), (grey + 30, grey, grey - 25), np.uint8), np.full((size, size), 255, np.uint8)]
    )


def lined(grey: int) -> Any:
    found = patch(grey)
    for row in range(20, 110, 20):
        found[row : row + 3, :, :3] -= np.uint8(40)
    return found


def given(eyes: float = 200.0, out: dict[str, str] | None = None, **patches: Any) -> Any:
    left_out = out or {}
    told = {name: {"inside": name not in left_out, "code": left_out.get(name)} for name in REGIONS}
    crops = {f"crop_{name}": patches.get(name, patch(170)) for name in REGIONS if name not in left_out}
    return item(crop_regions=need({"eye_distance": eyes, "regions": told}, **crops))


def test_each_measure_is_told_by_region_with_the_one_that_stands_for_the_face() -> None:
    (answer,) = run(STAGE, [given(forehead=lined(170), right_cheek=patch(150))])
    tone, texture, lines = (answer.data[part] for part in ("skin_tone", "texture", "wrinkles"))
    assert set(tone["regions"]) == set(texture["regions"]) == {"left_cheek", "right_cheek"}
    assert tone["regions"]["left_cheek"]["ita"] > tone["regions"]["right_cheek"]["ita"]
    assert tone["overall"] == "right_cheek", "of two the one with the lower angle"
    assert lines["overall"] == "forehead" and lines["regions"]["forehead"]["detected"] is True
    assert lines["regions"]["left_cheek"] == {"detected": False, "density": 0.0, "share": 0.0}
    assert texture["regions"]["left_cheek"]["roughness"] < 0.1


def test_a_dark_circle_is_looked_for_beside_the_cheek_of_its_side() -> None:
    (answer,) = run(STAGE, [given(left_under_eye=patch(130), left_cheek=patch(170), right_cheek=patch(168))])
    left, right = (answer.data["dark_circles"][side] for side in ("left", "right"))
    assert left["detected"] is True and left["severity"] == "strong" and left["ita"] > 0
    assert right["detected"] is False and right["darker"] < 0


def test_a_region_that_was_left_out_says_why_and_no_number_stands_for_it() -> None:
    (answer,) = run(STAGE, [given(out={"left_cheek": "REGION_TURNED_AWAY", "right_under_eye": "REGION_TOO_SMALL"})])
    for part in ("skin_tone", "texture", "wrinkles"):
        assert answer.data[part]["regions"]["left_cheek"] == {"code": "REGION_TURNED_AWAY"}
        assert answer.data[part]["overall"] is not None
    assert answer.data["dark_circles"] == {
        "left": {"code": "REGION_TURNED_AWAY"}, "right": {"code": "REGION_TOO_SMALL"},
    }  # fmt: skip


def test_too_coarse_a_picture_keeps_its_tone_and_loses_texture_and_wrinkles() -> None:
    (answer,) = run(STAGE, [given(eyes=60.0)])
    assert answer.data["skin_tone"]["overall"] is not None
    for part in ("texture", "wrinkles"):
        assert answer.data[part]["overall"] is None
        assert set(map(str, answer.data[part]["regions"].values())) == {"{'code': 'SKIN_NOT_MEASURABLE'}"}


def test_nothing_to_measure_is_an_abstention_not_an_empty_answer() -> None:
    good, bad = run(STAGE, [given(), given(out=dict.fromkeys(REGIONS, "REGION_OUTSIDE_IMAGE"))])
    assert isinstance(bad, SkinNotMeasurable) and code(good) == "ok"
    assert bad.data["skin_tone"] == {
        "regions": {"left_cheek": {"code": "REGION_OUTSIDE_IMAGE"}, "right_cheek": {"code": "REGION_OUTSIDE_IMAGE"}},
        "overall": None,
    }


@pytest.mark.parametrize("regions", [("forehead",), ("left_cheek",)])
def test_regions_are_options(regions: tuple[str, ...]) -> None:
    (answer,) = run(MeasureSkin(smooth=regions, lined=regions), [given()])
    assert tuple(answer.data["skin_tone"]["regions"]) == tuple(answer.data["wrinkles"]["regions"]) == regions
