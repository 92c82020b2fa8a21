"""Found, none, too many, ties, edges, a cut-out that hides the face, and one bad item among good ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.contracts import BoundingBox, Detection, RunState
from pipeline.errors import ModelOutputInvalid
from pipeline.models.room import ModelRoom
from pipeline.stage import Need, StageInput
from pipeline.stages.detect_face import DetectFace, _answer, _flattened, _possible
from tests.unit.pipeline.items import OFF, canonical, code, ended, item, need, plain, run

STAGE = DetectFace(model="cat_face_detector")
RED = (200, 0, 0)


def spotted(*spots: tuple[int, int, int], size: tuple[int, int] = (320, 320)) -> Any:
    """Red, with blue cells of 32 pixels at (x, y); the third number is how blue. Each makes a box of 64 about it."""
    picture = plain(*RED, size)
    for x, y, blue in spots:
        picture[y : y + 32, x : x + 32] = (0, 0, blue)
    return picture


def given(picture: Any, cutout: Need = OFF) -> StageInput:
    return item(decode_image=canonical(picture), remove_background=cutout)


def opaque(picture: Any, alpha: int = 255) -> Need:
    return need(cutout=np.dstack([picture, np.full(picture.shape[:2], alpha, np.uint8)]))


def test_one_face(tiny_room: ModelRoom) -> None:
    picture = spotted((128, 96, 250))
    picture[:, :, 1] = np.random.default_rng(0).integers(0, 256, (320, 320))  # the tiny network is blind to green
    answer = run(STAGE, [given(picture)], tiny_room)[0]
    assert answer.data["box"] == {"x": 112.0, "y": 80.0, "width": 64.0, "height": 64.0}
    assert answer.data["crop"] == {"x": 112, "y": 80, "width": 64, "height": 64}
    assert answer.data["confidence"] == pytest.approx(250 / 255, abs=1e-4)
    assert len(answer.data["candidates"]) == 1
    assert np.array_equal(answer.artifacts["face"].pixels, picture[80:144, 112:176])
    assert answer.artifacts["face"].lossless


def test_no_face_is_a_verdict(tiny_room: ModelRoom) -> None:
    verdict = run(STAGE, [given(spotted())], tiny_room)[0]
    assert (verdict.code, verdict.outcome) == ("NO_FACE_DETECTED", RunState.REJECTED)
    assert verdict.data == {"threshold": 0.5, "candidates": []}


def test_a_face_below_the_threshold_is_none(tiny_room: ModelRoom) -> None:
    picture = spotted((128, 96, 120))
    assert code(run(STAGE, [given(picture)], tiny_room)[0]) == "NO_FACE_DETECTED"
    lower = DetectFace(model="cat_face_detector", threshold=0.4)
    assert code(run(lower, [given(picture)], tiny_room)[0]) == "ok"


def test_the_surest_of_many(tiny_room: ModelRoom) -> None:
    spots = [(32 + 96 * (i % 3), 32 + 96 * (i // 3), 160 + 10 * i) for i in range(9)]
    data = run(STAGE, [given(spotted(*spots))], tiny_room)[0].data
    assert data["box"] == {"x": 208.0, "y": 208.0, "width": 64.0, "height": 64.0}
    assert [round(face["confidence"] * 255) for face in data["candidates"]] == [240 - 10 * i for i in range(9)]


def test_equally_sure_and_large_the_most_central(tiny_room: ModelRoom) -> None:
    data = run(STAGE, [given(spotted((32, 32, 250), (128, 160, 250), (256, 256, 250)))], tiny_room)[0].data
    assert data["box"]["x"] == 112.0


def face(confidence: float, x: float, y: float, side: float) -> Detection:
    return Detection(BoundingBox(x - side / 2, y - side / 2, side, side), confidence, "cat_face")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (face(0.9, 10, 10, 10), face(0.8, 50, 50, 40)),  # surer
        (face(0.901, 20, 20, 20), face(0.904, 50, 50, 10)),  # as sure to two decimals: larger
        (face(0.9, 50, 50, 20), face(0.9, 20, 20, 20)),  # as large: more central
        (face(0.9, 40, 50, 20), face(0.9, 60, 50, 20)),  # as central: further left
        (face(0.9, 50, 40, 20), face(0.9, 50, 60, 20)),  # as far left: further up
    ],
)
def test_ties_are_broken_in_one_order_whatever_comes_first(first: Detection, second: Detection) -> None:
    picture = plain(1, 1, 1, (100, 100))
    for faces in ([first, second], [second, first]):
        assert _answer(picture, faces, "original", 0.5).data["confidence"] == round(first.confidence, 6)
        left = _answer(picture, faces, "original", 0.5).data["box"]
        assert (left["x"], left["y"]) == (first.box.x, first.box.y)


def test_a_face_at_the_edge_is_clipped_and_its_square_is_not(tiny_room: ModelRoom) -> None:
    answer = run(STAGE, [given(spotted((0, 0, 250)))], tiny_room)[0]
    assert answer.data["box"] == {"x": 0.0, "y": 0.0, "width": 48.0, "height": 48.0}
    assert answer.data["crop"] == {"x": -16, "y": -16, "width": 64, "height": 64}
    assert answer.artifacts["face"].pixels.shape == (48, 48, 3), "nothing is invented beyond the edge"


def test_faces_that_cannot_be_are_none(tiny_room: ModelRoom) -> None:
    """This strip lies between the centres of two rows of cells: all boxes are about points in the letterbox's grey."""
    stage = DetectFace(model="cat_face_detector", threshold=0.2)
    assert code(run(stage, [given(plain(0, 0, 250, (24, 320)))], tiny_room)[0]) == "NO_FACE_DETECTED"
    assert code(run(stage, [given(plain(0, 0, 250, (64, 320)))], tiny_room)[0]) == "ok"
    picture = plain(1, 1, 1, (100, 50))
    for side, possible in ((199, True), (201, False)):
        assert _possible(BoundingBox(25 - side / 2, 50 - side / 2, side, side), picture) is possible


def test_the_cutout_is_looked_at_first(tiny_room: ModelRoom) -> None:
    """The picture has a surer face than the cut-out: the cut-out's counts."""
    whole, cut = spotted((32, 32, 250), (192, 192, 200)), spotted((192, 192, 200))
    data = run(STAGE, [given(whole, opaque(cut))], tiny_room)[0].data
    assert (data["detected_on"], data["box"]["x"]) == ("cutout", 176.0)


def test_a_face_that_the_cutout_hides_is_found_on_the_original_and_that_is_said(tiny_room: ModelRoom) -> None:
    picture = spotted((128, 96, 250))
    hidden = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    hidden[96:128, 128:160] = 0
    answer = run(STAGE, [given(picture, need(cutout=hidden))], tiny_room)[0]
    assert answer.data["detected_on"] == "original"
    assert answer.data["box"]["x"] == 112.0


@pytest.mark.parametrize(
    "cutout", [OFF, ended(RunState.FAILED, "MODEL_OUTPUT_INVALID"), ended(RunState.SKIPPED, "UPSTREAM_NOT_OK")]
)
def test_without_a_cutout_the_original_is_looked_at(tiny_room: ModelRoom, cutout: Need) -> None:
    data = run(STAGE, [given(spotted((128, 96, 250)), cutout)], tiny_room)[0].data
    assert data["detected_on"] == "original"


def test_a_system_that_removes_no_background_has_faces_too(tiny_room: ModelRoom) -> None:
    one = item(decode_image=canonical(spotted((128, 96, 250))))
    assert run(STAGE, [one], tiny_room)[0].data["detected_on"] == "original"


def test_the_face_is_cut_from_the_picture_not_from_the_cutout(tiny_room: ModelRoom) -> None:
    picture = spotted((128, 96, 250))
    cutout = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    cutout[80:90, 112:176] = 0
    answer = run(STAGE, [given(picture, need(cutout=cutout))], tiny_room)[0]
    assert answer.data["detected_on"] == "cutout"
    assert np.array_equal(answer.artifacts["face"].pixels, picture[80:144, 112:176])


def test_a_cutout_lies_on_the_letterbox_s_grey() -> None:
    for alpha, seen in ((255, (250, 0, 14)), (0, (114, 114, 114)), (51, (141, 91, 94))):
        one = given(plain(1, 1, 1, (2, 2)), opaque(plain(250, 0, 14, (2, 2)), alpha))
        assert _flattened(one)[0, 0].tolist() == list(seen)


def test_several_items_keep_their_places(tiny_room: ModelRoom) -> None:
    one, none, other = spotted((128, 96, 250)), spotted(), spotted(size=(320, 400))
    other[200:300, 40:140] = (0, 0, 230)
    items = [given(one, opaque(one)), given(none, opaque(none)), given(other), given(one, opaque(none)), given(none)]
    answers = run(STAGE, items, tiny_room)
    assert [code(answer) for answer in answers] == ["ok", "NO_FACE_DETECTED", "ok", "ok", "NO_FACE_DETECTED"]
    assert [answers[i].data["detected_on"] for i in (0, 2, 3)] == ["cutout", "original", "original"]
    for answer, alone in zip(answers, items, strict=True):
        assert run(STAGE, [alone], tiny_room)[0].data == answer.data


def test_an_invalid_answer_on_the_original_is_that_item_s_failure() -> None:
    error = ModelOutputInvalid("scores is not finite")
    assert _answer(plain(1, 1, 1), error, "original", 0.5) is error
