"""Skin along the mesh: what is in a crop and what is beside it, and which regions are left out, and why."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.imaging.face_mesh import OUTLINES
from pipeline.stages.crop_skin_regions import CropSkinRegions
from tests.unit.pipeline.items import canonical, item, need, run
from tests.unit.pipeline.tiny_faces import portrait

STAGE = CropSkinRegions()
PICTURE = np.random.default_rng(0).integers(0, 256, (500, 600, 3), np.uint8)


def given(x: float = 300, y: float = 250, side: float = 500, yaw: float = 0.0, picture: Any = PICTURE) -> Any:
    """A real face's mesh about (x, y), turned by ``yaw`` degrees."""
    cos, sin = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    turned = (portrait() - [0.5, 0.5, 0]) @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]).T
    points = turned * side + [x, y, 0]
    told = {"points": points.tolist(), "eye_distance": 0.27 * side}
    return item(decode_image=canonical(picture), detect_face_mesh=need(told))


def test_every_region_of_a_frontal_face_is_cut_out_as_skin_and_alpha() -> None:
    (answer,) = run(STAGE, [given()])
    assert set(answer.data["regions"]) == {"face", *OUTLINES}
    for name in OUTLINES:
        region, crop = answer.data["regions"][name], answer.artifacts[f"crop_{name}"]
        box = region["visible"]
        assert region["inside"] and "code" not in region and region["outside"] == 0
        assert crop.lossless and crop.pixels.shape == (box["height"], box["width"], 4)
        assert (crop.pixels[..., 3] > 0).sum() == region["pixels"] > 300
        part = PICTURE[box["y"] : box["y"] + box["height"], box["x"] : box["x"] + box["width"]]
        assert (crop.pixels[..., :3] == part).all()


@pytest.mark.parametrize("x", [300, 130])
def test_what_is_painted_inside_an_outline_is_all_that_the_crop_holds(x: float) -> None:
    """Also where a part of it, less than a quarter, lies beyond the edge."""
    picture = np.zeros_like(PICTURE)
    points = np.array(given(x=x).needs["detect_face_mesh"].data["points"])[list(OUTLINES["left_cheek"]), :2]
    cv2.fillPoly(picture, [np.round(points).astype(np.int32)], (200, 150, 120))
    (answer,) = run(STAGE, [given(x=x, picture=picture)])
    crop, region = answer.artifacts["crop_left_cheek"].pixels, answer.data["regions"]["left_cheek"]
    inner = cv2.erode(crop[..., 3], np.ones((5, 5), np.uint8)) > 0
    assert (crop[inner][:, :3] == (200, 150, 120)).all() and inner.sum() > 500
    assert (region["box"] != region["visible"]) is (region["outside"] > 0.01) is (x < 300)


def test_the_face_is_a_square_about_the_mesh_for_networks() -> None:
    (answer,) = run(STAGE, [given()])
    face = answer.data["regions"]["face"]
    assert answer.artifacts["crop_face"].pixels.shape == (224, 224, 3)
    assert face["box"]["width"] == face["box"]["height"] == pytest.approx(500 / 1.5, abs=2)
    assert face["scale"] == pytest.approx(face["box"]["width"] / answer.data["eye_distance"])


def test_of_a_profile_the_far_side_is_left_out_with_its_reason() -> None:
    (answer,) = run(STAGE, [given(yaw=60)])
    far, near = answer.data["regions"]["left_cheek"], answer.data["regions"]["right_cheek"]
    assert far["code"] == "REGION_TURNED_AWAY" and not far["inside"] and far["facing"] < 0.35
    assert near["inside"] and "crop_left_cheek" not in answer.artifacts and "crop_right_cheek" in answer.artifacts


def test_what_lies_beyond_the_edge_is_left_out_with_its_reason() -> None:
    (answer,) = run(STAGE, [given(x=80)])
    cheek, nose = answer.data["regions"]["left_cheek"], answer.data["regions"]["nose"]
    assert cheek["code"] == "REGION_OUTSIDE_IMAGE" and cheek["outside"] > 0.25
    assert nose["inside"]
    assert answer.data["regions"]["face"]["code"] == "REGION_OUTSIDE_IMAGE" and "crop_face" not in answer.artifacts


def test_a_face_wholly_beyond_the_edge_has_no_region() -> None:
    (answer,) = run(STAGE, [given(x=-400)])
    assert answer.artifacts == {}
    assert {region["code"] for region in answer.data["regions"].values()} == {"REGION_OUTSIDE_IMAGE"}


def test_too_few_pixels_are_left_out_with_their_number() -> None:
    (answer,) = run(STAGE, [given(side=120)])
    small, large = answer.data["regions"]["left_under_eye"], answer.data["regions"]["forehead"]
    assert small["code"] == "REGION_TOO_SMALL" and small["pixels"] < 100
    assert large["inside"]


def test_limits_and_regions_are_options() -> None:
    (answer,) = run(CropSkinRegions(regions=("nose",), least_pixels=10**6), [given()])
    assert set(answer.data["regions"]) == {"face", "nose"}
    assert answer.data["regions"]["nose"]["code"] == "REGION_TOO_SMALL"
    (turned,) = run(CropSkinRegions(regions=("nose",), least_facing=0.999), [given(yaw=20)])
    assert turned.data["regions"]["nose"]["code"] == "REGION_TURNED_AWAY"
