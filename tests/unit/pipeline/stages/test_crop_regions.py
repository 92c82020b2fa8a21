"""Squares about the landmarks, and honesty at the picture's edge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.stage import StageInput
from pipeline.stages.crop_regions import CropRegions
from tests.unit.pipeline.items import canonical, item, need, run

STAGE = CropRegions(scales={"left_eye": 0.5, "right_eye": 0.5, "mouth": 1.0})
PICTURE = np.random.default_rng(0).integers(0, 256, (400, 500, 3), np.uint8)


def given(picture: Any = PICTURE, **points: tuple[float, float]) -> StageInput:
    places = {"left_eye": (200, 200), "right_eye": (300, 200), "mouth": (250, 300), **points}
    told = {name: {"x": float(x), "y": float(y)} for name, (x, y) in places.items()}
    return item(decode_image=canonical(picture), detect_landmarks=need({"points": told}))


def test_a_square_about_each_landmark_by_the_distance_of_the_eyes() -> None:
    answer = run(STAGE, [given()])[0]
    regions = answer.data["regions"]
    assert regions["left_eye"]["box"] == {"x": 175, "y": 175, "width": 50, "height": 50}
    assert regions["mouth"]["box"] == {"x": 200, "y": 250, "width": 100, "height": 100}
    assert all(region["inside"] and region["visible"] == region["box"] for region in regions.values())
    assert set(answer.artifacts) == {"crop_left_eye", "crop_right_eye", "crop_mouth"}
    assert all(crop.lossless and crop.pixels.shape == (224, 224, 3) for crop in answer.artifacts.values())


def test_the_crop_shows_the_box_and_nothing_else() -> None:
    picture = np.zeros_like(PICTURE)
    picture[175:225, 175:225] = (10, 200, 30)
    crop = run(STAGE, [given(picture)])[0].artifacts["crop_left_eye"].pixels
    assert (crop == (10, 200, 30)).all()


def test_a_tilted_head_has_the_same_size_of_crop() -> None:
    box = run(STAGE, [given(right_eye=(260, 280))])[0].data["regions"]["mouth"]["box"]
    assert box["width"] == 100


@pytest.mark.parametrize(
    ("mouth", "inside"),
    [
        ((250, 350), True),  # touches the edge
        ((250, 374), True),  # 24 of 100 rows are missing
        ((250, 375), True),  # a quarter
        ((250, 376), False),  # more than a quarter
        ((250, 399), False),
        ((250, 400), False),  # the landmark itself is outside
        ((-1, 250), False),
        ((250, 700), False),  # nothing of it is picture
        ((474, 374), False),  # a quarter on each of two sides
    ],
)
def test_a_region_beyond_the_edge_is_left_out(mouth: tuple[int, int], inside: bool) -> None:
    answer = run(STAGE, [given(mouth=mouth)])[0]
    region = answer.data["regions"]["mouth"]
    assert region["inside"] is inside
    assert ("crop_mouth" in answer.artifacts) is inside
    assert region.get("code") == (None if inside else "REGION_OUTSIDE_IMAGE")
    assert answer.data["regions"]["left_eye"]["inside"], "the others are not touched by it"


def test_an_allowance_is_one_region_s_own() -> None:
    stage = CropRegions(scales={"mouth": 1.0, "left_eye": 0.5}, allowances={"mouth": 0.3})
    for mouth, inside in ((380, True), (381, False)):
        region = run(stage, [given(mouth=(250, mouth))])[0].data["regions"]["mouth"]
        assert region["inside"] is inside and region["outside"] == pytest.approx((mouth - 350) / 100)
    eye = run(stage, [given(left_eye=(200, 10))])[0].data["regions"]["left_eye"]
    assert eye["inside"] is False and eye["outside"] > 0.25


def test_a_landmark_outside_is_enough_however_much_is_allowed() -> None:
    stage = CropRegions(scales={"mouth": 1.0}, allowances={"mouth": 0.9})
    for mouth, inside in (((250, 399), True), ((250, 400), False)):
        assert run(stage, [given(mouth=mouth)])[0].data["regions"]["mouth"]["inside"] is inside


def test_what_is_missing_is_grey_and_told() -> None:
    picture = np.full_like(PICTURE, 250)
    answer = run(STAGE, [given(picture, mouth=(250, 370))])[0]
    region = answer.data["regions"]["mouth"]
    assert region["visible"] == {"x": 200, "y": 320, "width": 100, "height": 80}
    crop = answer.artifacts["crop_mouth"].pixels
    assert (crop[:176] == 250).all() and (crop[182:] == 114).all()


def test_a_tiny_face_still_gives_whole_pixels() -> None:
    answer = run(STAGE, [given(left_eye=(200, 200), right_eye=(201, 200), mouth=(200, 201))])[0]
    assert answer.data["regions"]["left_eye"]["box"] == {"x": 200, "y": 200, "width": 1, "height": 1}
    assert answer.artifacts["crop_left_eye"].pixels.shape == (224, 224, 3)


def test_several_items_keep_their_places() -> None:
    items = [given(), given(mouth=(250, 700)), given(left_eye=(100, 200))]
    assert [answer.data for answer in run(STAGE, items)] == [run(STAGE, [one])[0].data for one in items]
