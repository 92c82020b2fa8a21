"""By which rule an answer is right, and what is then said of it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests import made_up_cats
from training.album import Example
from training.area_crops import Subject
from training.data import Floats, Picture, pictures
from training.entries import ENTRIES
from training.faces import Face, face_of
from training.heads import Detection
from training.judges import areas, detector, judge_of, landmarks, matte, validator


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Face:
    data = tmp_path_factory.mktemp("cats")
    made_up_cats.write_set(data / "cat_face_landmarks_pseudo", [made_up_cats.face_row(0)])
    return face_of(next(pictures(data, "cat_face_landmarks_pseudo")))


def square(x: float, y: float, side: float) -> Floats:
    return np.array([x, y, side, side], np.float32)


def test_every_recipe_of_a_cat_model_has_its_judge() -> None:
    for entry in ENTRIES:
        if entry.name.startswith("cat_") or entry.name == "background":
            judge = judge_of(entry.recipe)
            assert judge is not None, entry.name
            assert judge.CURVE
            assert judge.RIGHT
    assert judge_of("nobody") is None


@pytest.mark.parametrize(
    ("kind", "chance", "right", "happened"),
    [
        ("cat", 0.7, True, "cat accepted"),
        ("cat", 0.69, False, "cat turned away"),
        ("dog", 0.7, False, "dog taken for a cat"),
        ("dog", 0.69, True, "dog turned away, rightly"),
    ],
)
def test_the_validator_s_threshold(face: Face, kind: str, chance: float, right: bool, happened: str) -> None:
    found = validator.case(Example(face.picture, kind, -1), chance, None, 1.0)
    assert (found.right, found.kind) == (right, happened)
    assert found.figures == {"cats accepted" if kind == "cat" else "others rejected": float(right)}
    assert list(found.hits) == [float(kind == "cat")]
    assert ("fur" in found.traits) == (kind == "cat")


def test_the_source_never_seen_stands_alone(face: Face) -> None:
    unseen = Picture(face.picture.dataset, face.picture.path, "maxogden", "test", face.picture.row)
    found = validator.case(Example(unseen, "cat", -1), 0.9, None, 1.0)
    assert set(found.figures) == {"cats accepted, source never seen"}
    assert len(found.chances) == 0
    assert found.kind == "cat of the source never seen accepted"


def test_a_head_is_found_by_half_its_area_and_half_a_score(face: Face) -> None:
    there = Detection(square(*face.centre, face.side), 0.5)
    weak = Detection(square(*face.centre, face.side), 0.49)
    aside = Detection(square(face.centre[0] + face.side, face.centre[1], face.side), 0.9)
    kinds = [detector.case(face.picture, face, heads) for heads in ([there], [weak], [aside], [aside, there], [])]
    assert [(one.right, one.kind) for one in kinds] == [
        (True, "head found"),
        (False, "head missed"),
        (False, "head missed, a box elsewhere"),
        (True, "head found, and another box"),
        (False, "head missed"),
    ]
    assert list(kinds[3].hits) == [0.0, 1.0]


def test_without_a_cat_no_box_may_be_strong(face: Face) -> None:
    boxes = [Detection(square(60, 60, 40), 0.6)]
    alarm, quiet = (detector.case(face.picture, None, heads) for heads in (boxes, []))
    assert (alarm.right, alarm.figures) == (False, {"pictures with a false alarm": 1.0})
    assert (quiet.right, quiet.kind) == (True, "nothing found where no cat is")


def test_one_point_too_far_is_wrong_and_named(face: Face) -> None:
    image = face.picture.pixels()
    placed = landmarks.case(face.picture, face, image, face.points, 0.9)
    assert (placed.right, placed.kind, placed.figures["mean error / head side"]) == (True, "six points placed", 0.0)
    moved = face.points.copy()
    moved[2, 0] += 0.12 * face.side
    ear = landmarks.case(face.picture, face, image, moved, 0.9)
    assert (ear.right, ear.kind) == (False, "an ear base off")
    assert ear.figures["six points within 10 %"] == pytest.approx(5 / 6)
    assert list(ear.hits) == [1.0], "the confidence is about the mean"
    fooled = landmarks.case(face.picture, None, image, moved, 0.6)
    assert (fooled.right, fooled.kind) == (False, "confident where no cat is")


def test_a_mask_is_right_from_three_quarters_on(face: Face, tmp_path: Path) -> None:
    true = np.zeros((120, 120), np.uint8)
    true[:, :60] = 255
    file = tmp_path / "mask.png"
    cv2.imwrite(str(file), true)
    alpha = np.zeros((320, 320), np.float32)
    alpha[:, :160] = 1
    image = face.picture.pixels()
    same, none = (matte.case(face.picture, image, file, one) for one in (alpha, alpha * 0))
    assert (same.right, same.kind) == (True, "animals: overlap of 0.75")
    assert same.figures["IoU, animals"] > 0.95
    assert (none.right, none.figures) == (False, {"IoU, animals": 0.0})
    assert same.traits["subject's share"] == "0.4 and over"
    assert len(same.chances) == matte.PIXELS**2


def test_a_painted_crop_called_abnormal_is_right(face: Face) -> None:
    crop, cam = np.full((64, 64, 3), 90, np.uint8), np.eye(7, dtype=np.float32)
    subject = Subject(face, face.picture.pixels())
    right, wrong = (areas.case(subject, "key", crop, True, margin, cam, {}) for margin in (2.0, -2.0))
    assert (right.right, right.kind) == (True, "painted crop called abnormal")
    assert (wrong.right, wrong.kind) == (False, "painted crop called normal")
    assert right.chances[0] == wrong.chances[0] == pytest.approx(0.8808, abs=1e-4)
    for one in (right, wrong):
        drawn = one.draw()
        assert drawn.dtype == np.uint8
        assert drawn.shape[1] > 2 * drawn.shape[0] * 0.95
