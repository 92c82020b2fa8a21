"""The mesh in the picture: where the face is, however it is tilted, or not at all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pipeline.models.room import ModelRoom
from pipeline.stages.detect_face_mesh import DetectFaceMesh
from tests.unit.pipeline import tiny_faces
from tests.unit.pipeline.items import canonical, item, need, run

STAGE = DetectFaceMesh(model="face_mesh")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> ModelRoom:
    return tiny_faces.room(tmp_path_factory.mktemp("pack"))


def face(blue: int = 255, tilt: float = 0.0) -> Any:
    """A box of 100 × 80 about (200, 150) with eyes 40 apart."""
    dx, dy = 20 * math.cos(tilt), 20 * math.sin(tilt)
    points = {"left_eye": {"x": 200 - dx, "y": 140 - dy}, "right_eye": {"x": 200 + dx, "y": 140 + dy}}
    told = {"found_box": {"x": 150.0, "y": 110.0, "width": 100.0, "height": 80.0}, "points": points}
    picture = np.full((300, 400, 3), (255 - blue, 0, blue), np.uint8)
    return item(decode_image=canonical(picture), detect_human_face=need(told))


def test_points_are_pixels_of_the_picture(room: ModelRoom) -> None:
    (answer,) = run(STAGE, [face()], room)
    points = np.array(answer.data["points"])
    expected = (tiny_faces.portrait() - [0.5, 0.5, 0]) * 150 + [200, 150, 0]
    assert points == pytest.approx(expected, abs=0.002)
    assert answer.data["square"] == {"x": 200, "y": 150, "side": 150, "angle": 0}
    assert answer.data["confidence"] > 0.99


def test_a_tilted_face_has_its_mesh_tilted_and_the_same_eye_distance(room: ModelRoom) -> None:
    upright, tilted = run(STAGE, [face(), face(tilt=0.5)], room)
    turn = np.array([[math.cos(0.5), math.sin(0.5)], [-math.sin(0.5), math.cos(0.5)]])
    moved = (np.array(upright.data["points"])[:, :2] - [200, 150]) @ turn + [200, 150]
    assert np.array(tilted.data["points"])[:, :2] == pytest.approx(moved, abs=0.01)
    assert tilted.data["eye_distance"] == pytest.approx(upright.data["eye_distance"], abs=1e-3)


def test_what_the_network_takes_for_no_face_is_abstained_with_its_number(room: ModelRoom) -> None:
    sure, unsure = run(STAGE, [face(), face(blue=60)], room)
    assert unsure.code == "LANDMARK_DETECTION_FAILED" and unsure.data["reason"] == "confidence"
    assert unsure.data["confidence"] < unsure.data["threshold"] == 0.5
    assert sure.data["confidence"] > 0.5, "its neighbour keeps its answer"


def test_a_mesh_that_has_collapsed_is_no_face(room: ModelRoom) -> None:
    class Collapsed(type(room.load("face_mesh"))):  # type: ignore[misc]
        def forward(self, batch: Any) -> Any:
            return {**super().forward(batch), "points": np.full((len(batch), 1404), 96, np.float32)}

    model = room.load("face_mesh")
    (answer,) = STAGE.run([face()], {"face_mesh": Collapsed(model.entry, model.session)})
    assert answer.code == "LANDMARK_DETECTION_FAILED" and answer.data["reason"] == "eyes_apart"  # type: ignore[union-attr]


def test_the_stage_s_threshold_goes_before_the_model_s(room: ModelRoom) -> None:
    lenient = DetectFaceMesh(model="face_mesh", threshold=0.0)
    assert run(lenient, [face(blue=60)], room)[0].data["confidence"] < 0.5
