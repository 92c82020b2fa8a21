"""BlazeFace and Face Mesh as families: numbers to faces and points, and nothing made up from a network gone wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelLoadError, ModelOutputInvalid, ModelUnavailable
from pipeline.models.blaze_face import POINTS, BlazeFaceModel
from pipeline.models.face_mesh import FaceMeshModel
from pipeline.models.room import ModelRoom
from tests.unit.pipeline import tiny_faces


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> ModelRoom:
    return tiny_faces.room(tmp_path_factory.mktemp("pack"))


def with_spots(*spots: tuple[int, int], size: tuple[int, int] = (256, 512)) -> Any:
    """A red picture with blue squares of one cell (at 512 pixels: 32) about these x, y."""
    picture = np.full((*size, 3), (255, 0, 0), np.uint8)
    for x, y in spots:
        picture[y - 16 : y + 16, x - 16 : x + 16] = (0, 0, 255)
    return picture


def spoiled(model: Any, **outputs: Any) -> Any:
    """The model's post-processing of outputs as a network gone wrong would give them."""
    found = {"regressors": np.zeros((896, 16), np.float32), "logits": np.full((896, 1), -50, np.float32), **outputs}
    return model._answer(found, with_spots())


def test_a_face_is_found_where_it_is_in_a_picture_that_is_wider_than_high(room: ModelRoom) -> None:
    """The letterbox of 512 × 256 has 128 rows above it. A box is 24 of 128 pixels, so 96 of 512."""
    (face,) = room.load("face_detector").predict([with_spots((240, 80))])[0]
    assert face.box.centre == pytest.approx((240, 80), abs=1)
    assert (face.box.width, face.box.height) == pytest.approx((96, 96), abs=1)
    assert face.confidence > 0.99
    assert tuple(face.points) == POINTS
    assert face.points["left_eye"] == pytest.approx((240 - 24, 80 - 16), abs=1)
    assert face.points["right_ear"] == pytest.approx((240 + 44, 80 - 12), abs=1)


def test_two_faces_are_two_and_a_neighbouring_cell_is_the_same_face(room: ModelRoom) -> None:
    model = room.load("face_detector")
    assert len(model.predict([with_spots((80, 80), (400, 176))])[0]) == 2
    assert len(model.predict([with_spots((80, 80), (112, 80))])[0]) == 1
    assert model.predict([with_spots()])[0] == []


def test_neighbours_change_nothing(room: ModelRoom) -> None:
    model = room.load("face_detector")
    pictures = [with_spots((80, 80)), with_spots(size=(64, 64)), with_spots((100, 300), size=(512, 200))]
    alone = [model.predict([picture])[0] for picture in pictures]
    assert model.predict(pictures) == alone


@pytest.mark.parametrize(
    "outputs",
    [
        {"logits": np.full((896, 1), np.nan)},
        {"regressors": np.full((896, 16), np.inf)},
        {"logits": np.zeros((895, 1))},
        {"regressors": np.zeros((896, 17))},
        {"regressors": np.full((896, 16), 1e9)},
    ],
    ids=["not a number", "infinite", "short", "wide", "far away"],
)
def test_a_detector_gone_wrong_is_no_answer(room: ModelRoom, outputs: dict[str, Any]) -> None:
    model = room.load("face_detector")
    assert spoiled(model) == []
    assert isinstance(spoiled(model, **outputs), ModelOutputInvalid)


def test_thresholds_come_from_the_manifest_and_only_from_there(room: ModelRoom) -> None:
    model = room.load("face_detector")
    for missing in ("score", "iou"):
        kept = {key: value for key, value in model.entry.thresholds.items() if key != missing}
        bare = BlazeFaceModel(replace(model.entry, thresholds=kept), model.session)
        assert isinstance(bare.predict([with_spots((80, 80))])[0], ModelUnavailable)


def test_a_side_without_anchors_is_refused(room: ModelRoom) -> None:
    model = room.load("face_mesh")
    outputs = {"regressors": "points", "logits": "presence"}
    entry = replace(model.entry, task="blaze_face", outputs=outputs)
    assert BlazeFaceModel(entry, model.session), "192 is the full range's"
    with pytest.raises(ModelLoadError):
        BlazeFaceModel(replace(entry, input=replace(entry.input, size=(192, 128))), _AnySession())


class _AnySession:
    batch = 1
    input_names = frozenset({"image"})
    output_names = frozenset({"points", "presence"})
    input_shapes: Any = {}  # noqa: RUF012


def test_the_mesh_is_in_units_of_the_crop_with_its_chance(room: ModelRoom) -> None:
    blue, red = np.full((192, 192, 3), (0, 0, 255), np.uint8), np.full((96, 96, 3), (255, 0, 0), np.uint8)
    sure, unsure = room.load("face_mesh").predict([blue, red])
    assert sure.points == pytest.approx(tiny_faces.portrait(), abs=1e-6)
    assert sure.confidence > 0.99 and unsure.confidence < 0.01
    assert sure == room.load("face_mesh").predict([blue])[0] != unsure


@pytest.mark.parametrize(
    ("points", "presence"),
    [(np.zeros(1401), [0.0]), (np.full(1404, 2000.0), [0.0]), (np.full(1404, np.nan), [0.0]), (np.zeros(1404), [0, 0])],
    ids=["467 points", "far away", "not a number", "two chances"],
)
def test_a_mesh_gone_wrong_is_no_answer(room: ModelRoom, points: Any, presence: Any) -> None:
    model = room.load("face_mesh")
    assert isinstance(model, FaceMeshModel)
    found = model._answer({"points": np.asarray(points), "presence": np.asarray(presence, float)}, with_spots())
    assert isinstance(found, ModelOutputInvalid)
