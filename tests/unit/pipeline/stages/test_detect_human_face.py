"""Which face a scan is about: found, none, several, at the edge, by the second detector, one bad among good."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelOutputInvalid, NoFaceDetected
from pipeline.models.room import ModelRoom
from pipeline.stages.detect_human_face import DetectHumanFace
from tests.unit.pipeline import tiny_faces
from tests.unit.pipeline.items import canonical, code, item, run

STAGE = DetectHumanFace(detectors=("face_detector", "face_detector_far"))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> ModelRoom:
    return tiny_faces.room(tmp_path_factory.mktemp("pack"))


def seen(*spots: tuple[int, int, int], size: tuple[int, int] = (512, 512)) -> Any:
    """A red picture with a blue spot of 32 pixels about each x, y; its blue says how sure the network is."""
    picture = np.full((*size, 3), (255, 0, 0), np.uint8)
    for x, y, blue in spots:
        picture[max(0, y - 16) : y + 16, max(0, x - 16) : x + 16] = (0, 0, blue)
    return item(decode_image=canonical(picture))


def test_one_face(room: ModelRoom) -> None:
    (answer,) = run(STAGE, [seen((240, 208, 255))], room)
    assert answer.data["faces"] == 1 and answer.data["detector"] == "face_detector"
    assert answer.data["box"] == pytest.approx({"x": 192, "y": 160, "width": 96, "height": 96}, abs=1)
    assert set(answer.data["points"]) == {"left_eye", "right_eye", "nose", "mouth", "left_ear", "right_ear"}
    assert answer.data["points"]["left_eye"]["x"] < answer.data["points"]["right_eye"]["x"]


def test_no_face_is_a_verdict_that_says_so(room: ModelRoom) -> None:
    (answer,) = run(STAGE, [seen()], room)
    assert isinstance(answer, NoFaceDetected)
    assert answer.data == {"faces": 0, "candidates": []}


def test_of_faces_of_one_size_the_surer_is_taken_and_all_are_told(room: ModelRoom) -> None:
    """Boxes are all alike here, so area times confidence goes by the confidence alone."""
    (answer,) = run(STAGE, [seen((80, 80, 190), (400, 400, 255))], room)
    assert answer.data["faces"] == 2
    assert answer.data["box"]["x"] > 300
    first, second = answer.data["candidates"]
    assert first["confidence"] > second["confidence"] and second["box"]["x"] < 100


def test_of_equal_faces_the_left_one_is_taken(room: ModelRoom) -> None:
    (answer,) = run(STAGE, [seen((400, 80, 255), (80, 400, 255))], room)
    assert answer.data["box"]["x"] < 100


def test_the_second_detector_is_asked_only_where_the_first_sees_nothing(room: ModelRoom) -> None:
    """A blue of 150 is a chance of 0.86: below the first one's 0.9, above the second one's 0.5."""
    faint, clear, nothing = run(STAGE, [seen((240, 208, 150)), seen((240, 208, 255)), seen()], room)
    assert faint.data["detector"] == "face_detector_far" and 0.5 < faint.data["confidence"] < 0.9
    assert clear.data["detector"] == "face_detector" and code(nothing) == "NO_FACE_DETECTED"


def test_a_threshold_of_the_stage_goes_before_the_model_s(room: ModelRoom) -> None:
    strict = DetectHumanFace(detectors=("face_detector_far",), threshold=0.95)
    assert code(run(strict, [seen((240, 208, 150))], room)[0]) == "NO_FACE_DETECTED"


def test_a_face_at_the_edge_is_clipped_and_its_whole_box_kept(room: ModelRoom) -> None:
    (answer,) = run(STAGE, [seen((16, 16, 255))], room)
    box, whole = answer.data["box"], answer.data["found_box"]
    assert (box["x"], box["y"]) == (0, 0) and whole["x"] < 0 and whole["y"] < 0
    assert box["x"] + box["width"] == pytest.approx(whole["x"] + whole["width"], abs=1e-3)


def test_one_bad_picture_harms_no_other(room: ModelRoom) -> None:
    class Broken(type(room.load("face_detector"))):  # type: ignore[misc]
        def post_process(self, outputs: Any, picture: Any) -> Any:
            if picture.shape[0] == 100:
                raise ModelOutputInvalid("broken")
            return super().post_process(outputs, picture)

    good = room.load("face_detector")
    models = {"face_detector": Broken(good.entry, good.session), "face_detector_far": room.load("face_detector_far")}
    found = STAGE.run([seen((240, 208, 255)), seen(size=(100, 100)), seen((80, 80, 255))], models)
    assert [code(each) for each in found] == ["ok", "MODEL_OUTPUT_INVALID", "ok"]
