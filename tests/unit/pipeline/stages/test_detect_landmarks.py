"""Points in two coordinate systems, faces at the edge, and points that cannot be a face."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.contracts import RunState
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.stage import StageInput
from pipeline.stages.detect_landmarks import DetectLandmarks
from tests.unit.pipeline import tiny_models as tiny
from tests.unit.pipeline.items import canonical, code, item, need, plain, run

STAGE = DetectLandmarks(model="cat_landmarks")
BLUE = 204
"""The tiny network is as sure as the crop is blue: 0.8."""


def given(x: int, y: int, side: int, blue: int = BLUE, size: tuple[int, int] = (320, 320)) -> StageInput:
    """A face crop of this square in a picture of this size (height, width)."""
    crop = {"x": x, "y": y, "width": side, "height": side}
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + side, size[1]), min(y + side, size[0])
    face = plain(0, 0, blue, (bottom - top, right - left))
    return item(decode_image=canonical(plain(0, 0, 0, size)), detect_face=need({"crop": crop}, face=face))


def xy(point: dict[str, float]) -> tuple[float, float]:
    return point["x"], point["y"]


def test_points_are_told_in_the_picture_and_in_the_crop(tiny_room: ModelRoom) -> None:
    data = run(STAGE, [given(100, 50, 100)], tiny_room)[0].data
    assert set(data["points"]) == set(data["crop_points"]) == set(tiny.POINTS)
    assert xy(data["points"]["left_eye"]) == pytest.approx((135, 95), abs=1e-3)
    assert xy(data["crop_points"]["left_eye"]) == pytest.approx((35, 45), abs=1e-3)
    assert data["confidence"] == pytest.approx(0.8, abs=1e-3)


def test_a_face_that_leaves_the_picture_keeps_its_geometry(tiny_room: ModelRoom) -> None:
    """The network sees the whole square, grey beyond the edge; the crop is only what is picture."""
    data = run(STAGE, [given(-20, -30, 100, blue=255)], tiny_room)[0].data
    moved = 0.1 * 0.3 * 114 / 255  # the tiny network moves its points by the grey's green
    seen = data["points"]["left_ear"]
    assert xy(seen) == pytest.approx((-20 + 25, -30 + 20), abs=100 * 2 * moved)
    assert seen["y"] < 0, "an ear's base may lie outside the picture"
    assert data["crop_points"]["left_ear"] == seen, "this crop begins at the picture's corner"
    right = run(STAGE, [given(250, 250, 100, blue=255)], tiny_room)[0].data
    assert right["points"]["nose"]["x"] - right["crop_points"]["nose"]["x"] == pytest.approx(250)


def test_an_unsure_network_abstains_and_says_how_sure_it_was(tiny_room: ModelRoom) -> None:
    verdict = run(STAGE, [given(100, 50, 100, blue=51)], tiny_room)[0]
    assert (verdict.code, verdict.outcome) == ("LANDMARK_DETECTION_FAILED", RunState.ABSTAINED)
    assert verdict.data["reason"] == "confidence"
    assert verdict.data["confidence"] == pytest.approx(0.2, abs=1e-3) and verdict.data["threshold"] == 0.3


def test_a_bad_item_harms_no_neighbour(tiny_room: ModelRoom) -> None:
    items = [given(100, 50, 100), given(0, 0, 64, blue=10), given(10, 10, 300)]
    answers = run(STAGE, items, tiny_room)
    assert [code(answer) for answer in answers] == ["ok", "LANDMARK_DETECTION_FAILED", "ok"]
    assert [answer.data for answer in answers] == [run(STAGE, [one], tiny_room)[0].data for one in items]


def test_implausible_points_are_never_passed_on(tmp_path: Any) -> None:
    upside_down = [(x, 1 - y) for x, y in tiny.FACE]
    net = tiny.landmarks(upside_down)
    points = ", ".join(f'"{name}"' for name in tiny.POINTS)
    more = f"[model.labels]\npoints = [{points}]\n[model.thresholds]\nconfidence = 0.3"
    table = tiny.entry("cat_landmarks", net, "landmarks", 96, {"points": "points", "confidence": "confidence"}, more)
    room = ModelRoom([read_manifest(tiny.write_pack(tmp_path / "bad", [net], [table]), "bad")])
    verdict = run(STAGE, [given(100, 50, 100)], room)[0]
    assert code(verdict) == "LANDMARK_DETECTION_FAILED"
    told = verdict.data
    assert told["reason"] == "ears_above" and told["value"] > told["high"] and told["low"] == -1.3
    assert told["confidence"] > told["threshold"], "this network is sure, and wrong"
