"""Each family: what it answers, that a bad picture harms no neighbour, and that neighbours change nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from pipeline.errors import ModelLoadError, ModelOutputInvalid, ModelUnavailable
from pipeline.models.base import Model, of_family, probabilities
from pipeline.models.classifier import ClassAnswer, ClassifierModel
from pipeline.models.detector import DetectorModel, suppress
from pipeline.models.landmarks import LandmarksModel
from pipeline.models.manifest import read_manifest
from pipeline.models.matte import MatteModel
from pipeline.models.room import ModelRoom
from pipeline.models.sessions import OnnxSession
from pipeline.models.subject import SubjectModel
from tests.unit.pipeline import tiny_models as tiny


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> ModelRoom:
    manifest = tiny.cat_pack(tmp_path_factory.mktemp("pack") / "tiny")
    return ModelRoom([read_manifest(manifest, "tiny")])


def plain(red: int, green: int, blue: int, size: tuple[int, int] = (60, 90)) -> Any:
    return np.full((*size, 3), (red, green, blue), np.uint8)


def noise(seed: int, size: tuple[int, int]) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


class Answering:
    """A session that gives fixed outputs, as a network gone wrong would."""

    batch = 1
    input_names = frozenset({"image"})
    input_shapes: ClassVar = {}

    def __init__(self, answer: Callable[[Any], dict[str, Any]], names: Sequence[str]) -> None:
        self.answer, self.output_names = answer, frozenset(names)

    def run(self, name: str, batch: Any, outputs: Sequence[str]) -> dict[str, Any]:
        return {output: np.asarray(self.answer(batch)[output], np.float32) for output in outputs}


def gone_wrong(model: Model[Any], answer: Callable[[Any], dict[str, Any]]) -> Any:
    return type(model)(model.entry, Answering(answer, list(model.entry.outputs.values())))


# --- subject --------------------------------------------------------------------------------------------------------


def test_a_subject_has_a_probability_and_a_breed_of_its_own(room: ModelRoom) -> None:
    model = of_family({"m": room.load("cat_validator")}, "m", SubjectModel)
    cat, other = model.predict([plain(220, 10, 10), plain(10, 220, 10)])
    assert cat.probabilities["cat"] > 0.95 and other.probabilities["cat"] < 0.05
    assert sum(cat.probabilities.values()) == pytest.approx(1)
    assert cat.breed[0] == "red" and other.breed[0] == "green"


def test_a_general_classifier_answers_by_the_mass_of_a_group(room: ModelRoom) -> None:
    entry = replace(room.entry("cat_validator"), outputs={"classes": "breed"}, labels={}, groups={"cat": (0, 1)})
    answer = SubjectModel(entry, OnnxSession(tiny.validator())).predict([plain(100, 100, 250)])[0]
    breeds = room.load("cat_validator").predict([plain(100, 100, 250)])[0]
    assert answer.breed is None
    assert 0 < answer.probabilities["cat"] < 0.01 < breeds.breed[1]


def test_a_group_beyond_the_classes_is_invalid(room: ModelRoom) -> None:
    entry = replace(room.entry("cat_validator"), outputs={"classes": "breed"}, labels={}, groups={"cat": (282,)})
    answer = SubjectModel(entry, OnnxSession(tiny.validator())).predict([plain(1, 2, 3)])[0]
    assert isinstance(answer, ModelOutputInvalid)


def test_not_a_number_ends_one_picture_only(room: ModelRoom) -> None:
    entry = replace(room.entry("cat_validator"), outputs={"subject": "subject"}, labels={"subject": ("no", "cat")})
    model = SubjectModel(entry, OnnxSession(tiny.logarithm()))
    pictures = [plain(220, 10, 10), plain(0, 0, 0), plain(10, 220, 10)]
    first, black, last = model.predict(pictures)
    assert isinstance(black, ModelOutputInvalid)
    assert [first, last] == [model.predict([pictures[0]])[0], model.predict([pictures[2]])[0]]


@pytest.mark.parametrize("values", [[0.5, 1.2], [-0.1, 1.0], [1.0], [0.2, 0.3, 0.5]])
def test_probabilities_out_of_range_or_number_are_invalid(room: ModelRoom, values: list[float]) -> None:
    model = gone_wrong(
        room.load("cat_validator"),
        lambda batch: {"subject": [values] * len(batch), "breed": [[1, 0, 0]] * len(batch)},
    )
    assert isinstance(model.predict([plain(1, 2, 3)])[0], ModelOutputInvalid)


def test_answers_for_another_number_of_pictures_are_invalid_for_all(room: ModelRoom) -> None:
    model = gone_wrong(room.load("cat_validator"), lambda batch: {"subject": [[0, 1]] * 2, "breed": [[1, 0, 0]] * 2})
    assert [type(answer) for answer in model.predict([plain(1, 2, 3)] * 2)] == [ModelOutputInvalid] * 2


# --- detector -------------------------------------------------------------------------------------------------------


def spotted(size: tuple[int, int], *spots: tuple[int, int, int]) -> Any:
    """Red, with blue squares of 64 pixels at (x, y); the third number is how blue."""
    picture = plain(200, 0, 0, size)
    for x, y, blue in spots:
        picture[y : y + 64, x : x + 64] = (0, 0, blue)
    return picture


def test_a_face_is_found_where_it_is(room: ModelRoom) -> None:
    picture = spotted((320, 320), (128, 64, 250))
    best = of_family({"m": room.load("cat_face_detector")}, "m", DetectorModel).predict([picture])[0][0]
    assert best.label == "cat_face" and best.confidence == pytest.approx(250 / 255, abs=1e-4)
    assert 100 <= best.box.centre[0] <= 180 and 64 <= best.box.centre[1] <= 128


def test_no_face_is_no_detection_and_no_error(room: ModelRoom) -> None:
    assert room.load("cat_face_detector").predict([plain(200, 0, 0)]) == [[]]


def test_boxes_come_back_through_the_letterbox(room: ModelRoom) -> None:
    """A wide picture lies in the middle of its input; its boxes must not."""
    for size, spot in (((160, 640), (320, 64)), ((640, 160), (64, 320))):
        big = plain(200, 0, 0, size)
        big[spot[1] : spot[1] + 64, spot[0] : spot[0] + 64] = (0, 0, 255)
        best = room.load("cat_face_detector").predict([big])[0][0]
        assert abs(best.box.centre[0] - (spot[0] + 32)) <= 33 and abs(best.box.centre[1] - (spot[1] + 32)) <= 33
        assert best.box.width == best.box.height == pytest.approx(128), "two cells of 32 at half scale"


def test_suppression_keeps_the_best_of_those_that_overlap() -> None:
    boxes = np.array([[50, 50, 40, 40], [52, 50, 40, 40], [200, 50, 40, 40], [70, 50, 40, 40]], np.float32)
    assert suppress(boxes, 0.45) == [0, 2, 3]
    assert suppress(boxes, 0.0) == [0, 2]
    assert suppress(boxes[:0], 0.45) == []


def test_a_network_that_fires_everywhere_stays_affordable(room: ModelRoom) -> None:
    rng = np.random.default_rng(0)
    boxes = rng.uniform(1, 320, (1, 50_000, 4))
    model = gone_wrong(room.load("cat_face_detector"), lambda batch: {"boxes": boxes, "scores": np.ones((1, 50_000))})
    assert 0 < len(model.predict([plain(1, 2, 3)])[0]) <= 300


@pytest.mark.parametrize(
    ("boxes", "scores"),
    [
        (np.ones((1, 5, 4)), np.full((1, 5), 1.5)),
        (np.ones((1, 5, 4)), np.full((1, 5), -0.5)),
        (np.ones((1, 4, 4)), np.ones((1, 5))),
        (np.ones((1, 5, 5)), np.ones((1, 5))),
        (np.full((1, 5, 4), np.inf), np.ones((1, 5))),
    ],
)
def test_detections_that_cannot_be_are_invalid(room: ModelRoom, boxes: Any, scores: Any) -> None:
    model = gone_wrong(room.load("cat_face_detector"), lambda batch: {"boxes": boxes, "scores": scores})
    assert isinstance(model.predict([plain(1, 2, 3)])[0], ModelOutputInvalid)


def test_boxes_without_size_are_no_faces(room: ModelRoom) -> None:
    boxes = np.array([[[10, 10, 0, 5], [10, 10, 5, -3], [10, 10, 5, 5]]])
    model = gone_wrong(room.load("cat_face_detector"), lambda batch: {"boxes": boxes, "scores": np.ones((1, 3))})
    assert len(model.predict([plain(1, 2, 3, (320, 320))])[0]) == 1


# --- landmarks ------------------------------------------------------------------------------------------------------


def test_landmarks_are_in_pixels_of_the_crop(room: ModelRoom) -> None:
    model = of_family({"m": room.load("cat_landmarks")}, "m", LandmarksModel)
    answer = model.predict([plain(0, 0, 204, (200, 400))])[0]
    assert answer.confidence == pytest.approx(0.8, abs=1e-3)
    assert set(answer.points) == set(tiny.POINTS)
    assert answer.points["left_eye"] == pytest.approx((0.35 * 400, 0.45 * 200))


@pytest.mark.parametrize(
    ("points", "confidence"),
    [
        (np.full((1, 6, 2), 7.0), [0.5]),
        (np.full((1, 5, 2), 0.5), [0.5]),
        (np.full((1, 6, 3), 0.5), [0.5]),
        (np.full((1, 6, 2), 0.5), [1.5]),
        (np.full((1, 6, 2), 0.5), [np.nan]),
    ],
)
def test_landmarks_that_cannot_be_are_invalid(room: ModelRoom, points: Any, confidence: Any) -> None:
    model = gone_wrong(room.load("cat_landmarks"), lambda batch: {"points": points, "confidence": confidence})
    assert isinstance(model.predict([plain(1, 2, 3)])[0], ModelOutputInvalid)


# --- matte ----------------------------------------------------------------------------------------------------------


def test_the_matte_has_the_size_of_the_picture_and_is_not_stretched(room: ModelRoom) -> None:
    model = of_family({"m": room.load("background")}, "m", MatteModel)
    picture = plain(40, 40, 40, (200, 300))
    picture[:, :150] = 120
    alpha = model.predict([picture])[0]
    assert alpha.shape == (200, 300) and alpha.dtype == np.uint8
    assert abs(int(alpha[100, 20]) - 120) <= 1 and abs(int(alpha[100, 280]) - 40) <= 1


def test_a_segmentation_is_a_matte_too(room: ModelRoom) -> None:
    entry = replace(room.entry("background"), outputs={"logits": "mask"}, groups={"background": (0,)})
    logits = np.zeros((1, 8, 8, 3))
    logits[:, :, :4, 0] = 50
    model = MatteModel(entry, Answering(lambda batch: {"mask": logits}, ["mask"]))  # type: ignore[arg-type]
    alpha = model.predict([plain(1, 2, 3, (80, 80))])[0]
    assert alpha[40, 5] == 0 and alpha[40, 75] == round(255 * 2 / 3)


@pytest.mark.parametrize("mask", [np.full((1, 8, 8, 1), 1.5), np.ones((1, 8, 8)), np.ones((1, 8, 8, 2))])
def test_a_mask_that_cannot_be_is_invalid(room: ModelRoom, mask: Any) -> None:
    model = gone_wrong(room.load("background"), lambda batch: {"mask": mask})
    assert isinstance(model.predict([plain(1, 2, 3)])[0], ModelOutputInvalid)


# --- classifier -----------------------------------------------------------------------------------------------------


def test_a_crop_gets_probabilities_and_a_map_that_speaks_for_the_likeliest_label(room: ModelRoom) -> None:
    model = of_family({"m": room.load("cat_left_eye")}, "m", ClassifierModel)
    crop = plain(0, 200, 0, (224, 224))
    crop[:32, :32] = (200, 0, 0)
    answer = model.predict([crop])[0]
    assert list(answer.probabilities) == ["normal", "abnormal"]
    assert answer.probabilities["normal"] > 0.9
    assert answer.cam.shape == (7, 7) and answer.cam_for == "normal"
    assert answer.cam[0, 0] < 0 < answer.cam[1:, 1:].min()


def test_temperature_softens(room: ModelRoom) -> None:
    crop = plain(0, 60, 0, (224, 224))
    entry = room.entry("cat_left_eye")
    session = OnnxSession(tiny.areas())
    soft, hard = (ClassifierModel(replace(entry, temperature=t), session).predict([crop])[0] for t in (4.0, 1.0))
    assert isinstance(soft, ClassAnswer) and isinstance(hard, ClassAnswer)
    assert 0.5 < soft.probabilities["normal"] < hard.probabilities["normal"]


def test_softmax_does_not_overflow() -> None:
    assert probabilities(np.array([1000.0, 0.0])).tolist() == [1.0, 0.0]
    assert probabilities(np.array([[2.0, 2.0]]), 0.5).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize(
    "outputs",
    [
        {"left_eye_logits": [[1, 2, 3]], "left_eye_cam": np.ones((1, 7, 7))},
        {"left_eye_logits": [[1, np.inf]], "left_eye_cam": np.ones((1, 7, 7))},
        {"left_eye_logits": [[1, 2]], "left_eye_cam": np.ones((1, 7))},
        {"left_eye_logits": [[1, 2]], "left_eye_cam": np.ones((1, 7, 7, 3))},
    ],
)
def test_answers_that_cannot_be_are_invalid(room: ModelRoom, outputs: dict[str, Any]) -> None:
    model = gone_wrong(room.load("cat_left_eye"), lambda batch: outputs)
    assert isinstance(model.predict([plain(1, 2, 3)])[0], ModelOutputInvalid)


# --- all ------------------------------------------------------------------------------------------------------------

ALL = ("cat_validator", "cat_face_detector", "cat_landmarks", "background", "cat_left_ear")


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    if isinstance(one, ClassAnswer):
        return one.probabilities == other.probabilities and bool(np.array_equal(one.cam, other.cam))
    return bool(one == other)


@pytest.mark.parametrize("name", ALL)
def test_neighbours_change_nothing(room: ModelRoom, name: str) -> None:
    model = room.load(name)
    pictures = [noise(seed, (40 + 3 * seed, 90 - seed)) for seed in range(16)]
    alone = [model.predict([picture])[0] for picture in pictures]
    for count in (2, 5, 16):
        together = model.predict(pictures[:count])
        assert all(same(one, other) for one, other in zip(alone, together, strict=False))
        turned = model.predict(pictures[:count][::-1])
        assert all(same(one, other) for one, other in zip(alone[:count][::-1], turned, strict=True))


@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch_answers_the_same(room: ModelRoom, batch: int) -> None:
    entry = room.entry("cat_validator")
    fixed = SubjectModel(replace(entry, input=replace(entry.input, batch=batch)), OnnxSession(tiny.validator()))
    in_the_file = SubjectModel(entry, OnnxSession(tiny.validator(batch=batch)))
    pictures = [noise(seed, (50, 50)) for seed in range(7)]
    assert fixed.predict(pictures) == in_the_file.predict(pictures)
    for one, other in zip(fixed.predict(pictures), room.load("cat_validator").predict(pictures), strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    assert len(fixed.forward(fixed.pre_process(pictures))["subject"]) == 7, "what fills up the last pass is cut off"


@pytest.mark.parametrize("name", ALL)
def test_nothing_in_nothing_out(room: ModelRoom, name: str) -> None:
    assert room.load(name).predict([]) == []


def test_the_pictures_are_left_as_they_are(room: ModelRoom) -> None:
    picture = noise(1, (320, 320))
    kept = picture.copy()
    picture.flags.writeable = False
    for name in ALL:
        room.load(name).predict([picture])
    assert np.array_equal(picture, kept)


def test_a_model_of_another_kind_is_unavailable_to_a_stage(room: ModelRoom) -> None:
    with pytest.raises(ModelUnavailable, match="SubjectModel"):
        of_family({"m": room.load("cat_validator")}, "m", MatteModel)
    with pytest.raises(ModelUnavailable):
        of_family({}, "m", MatteModel)


def test_a_threshold_is_the_stage_s_or_the_manifest_s_and_never_made_up(room: ModelRoom) -> None:
    model = room.load("cat_validator")
    assert model.threshold("subject", None) == 0.7
    assert model.threshold("subject", 0.0) == 0.0
    with pytest.raises(ModelUnavailable, match="face"):
        model.threshold("face", None)


def test_outputs_that_the_family_needs_must_be_in_the_manifest(room: ModelRoom) -> None:
    entry = replace(room.entry("cat_face_detector"), outputs={"boxes": "boxes"})
    with pytest.raises(ModelLoadError, match="scores"):
        DetectorModel(entry, OnnxSession(tiny.detector()))
