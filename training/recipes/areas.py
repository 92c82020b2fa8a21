"""Five area classifiers on one body, each with its class-activation map from the same pass.

'Normal' crops are real, 'abnormal' ones are painted (`training.lesions`). The crop rule stands in
`training.crops`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import keras
import numpy as np
from keras import layers, ops

from training import augment, heads, lesions, networks, served
from training.budget import Budget, Stage, Stages
from training.crops import AREA_LABELS, AREAS, CROP_SCALE, KIND, area_crop
from training.data import Floats, Part, Pixels, as_pixels, decoded, only, pictures
from training.drawing import Batch
from training.evaluate import Metric, auc, bootstrap, expected_calibration_error, fit_temperature
from training.faces import Face, face_of
from training.fitting import Lesson, learn, log
from training.networks import WHOLE, cross_entropy
from training.place import Place
from training.served import Served

SIZE: Final = 224
LEAST_EYES: Final = 24.0
"""Faces whose eyes are nearer than this many pixels are too coarse to learn from."""
STAGES: Final[Stages] = {
    "cpu": (Stage(192, 1200, 32, 8e-4),),
    "gpu": (Stage(SIZE, 5000, 160, 1e-3),),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A face and its picture."""

    face: Face
    image: Pixels


def subjects(place: Place, part: Part) -> list[Subject]:
    """Faces of one part that are large enough."""
    faces = [face_of(item) for item in only(pictures(place.data, "cat_face_landmarks_pseudo"), part)]
    large = [face for face in faces if face.eye_distance >= LEAST_EYES]
    images = decoded(face.picture for face in large)
    return [Subject(face, image) for face, image in zip(large, images, strict=True)]


def example(rng: np.random.Generator, subject: Subject, area: str, abnormal: bool, size: int) -> Pixels:
    """A crop as the head of `area` sees it, painted if `abnormal`, at the picture's own coarseness.

    The paint is drawn on the enlarged crop, then everything is reduced to the stored resolution
    and enlarged again, so that sharp paint on soft fur cannot give the answer away.
    """
    source, flip = area, rng.random() < 0.5
    if flip and area != "mouth":
        source = {"left": "right", "right": "left"}[area.partition("_")[0]] + "_" + KIND[area]
    crop = area_crop(subject.image, subject.face.points, source, size, rng)
    crop = as_pixels(np.ascontiguousarray(crop[:, ::-1])) if flip else crop
    if rng.random() < 0.35:
        crop = lesions.harmless(rng, crop)
    if abnormal:
        crop = lesions.spoil(rng, crop, KIND[area])
    own = int(CROP_SCALE[KIND[area]] * subject.face.eye_distance * float(rng.uniform(0.7, 1.3)))
    if own < size:
        small = cv2.resize(crop, (max(own, 16),) * 2, interpolation=cv2.INTER_AREA)
        crop = as_pixels(cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR))
    return augment.colour(rng, crop, 0.8)


def drawn(rng: np.random.Generator, items: Sequence[Subject], stage: Stage) -> Batch:
    """Crops with area index and label; both labels of every area equally often."""
    reach = np.array([subject.face.eye_distance for subject in items]) ** 0.5
    crops, areas, labels = [], [], []
    for number in range(stage.batch):
        area, abnormal = number % len(AREAS), bool(rng.random() < 0.5)
        subject = items[int(rng.choice(len(items), p=reach / reach.sum()))]
        crops.append(example(rng, subject, AREAS[area], abnormal, stage.size))
        areas.append(area)
        labels.append(int(abnormal))
    return augment.stacked(crops), np.array(areas, np.int32), np.array(labels, np.int32)


def build(weights: Path | None = None) -> networks.Network:
    """[N,S,S,3] in -1..1 to feature map [N,S/32,S/32,576] and logits [N,5,2]."""
    body = networks.mobile_body(None, weights)
    pooled = layers.GlobalAveragePooling2D(dtype=WHOLE)(body.output)
    dropped = layers.Dropout(0.2, dtype=WHOLE)(pooled)
    flat = layers.Dense(len(AREAS) * len(AREA_LABELS), name="heads", dtype=WHOLE)(dropped)
    logits = layers.Reshape((len(AREAS), len(AREA_LABELS)), dtype=WHOLE)(flat)
    return keras.Model(body.input, [body.output, logits])


def loss(outputs: Any, area: Any, label: Any) -> Any:
    """Cross entropy of the crop's own head."""
    own = ops.einsum("nac,na->nc", outputs[1], ops.one_hot(area, len(AREAS)))
    wanted = 0.02 + 0.96 * ops.one_hot(label, len(AREA_LABELS))
    return ops.mean(cross_entropy(wanted, own))


def train(place: Place, budget: Budget) -> None:
    """Write `areas.weights.h5`."""
    items = subjects(place, "train")
    log.info("%d faces", len(items))
    lesson = Lesson(
        recipe="areas",
        at_size=lambda _, former: former or build(place.body),
        draw=lambda rng, stage: drawn(rng, items, stage),
        loss=loss,
        stages=STAGES,
    )
    learn(lesson, place, budget)


def serving(place: Place) -> Served:
    """Logits and maps of all five heads of the trained network."""
    model = build()
    model.load_weights(str(place.weights("areas")))
    weights = model.get_layer("heads").get_weights()[0].reshape(-1, len(AREAS), len(AREA_LABELS))
    contrast = weights[:, :, 1] - weights[:, :, 0]

    def call(image: Any) -> dict[str, Any]:
        features, logits = model(image, training=False)
        maps = ops.einsum("nhwc,ca->nhwa", features, ops.convert_to_tensor(contrast))
        named = {f"{area}_logits": logits[:, number] for number, area in enumerate(AREAS)}
        return named | {f"{area}_cam": maps[..., number] for number, area in enumerate(AREAS)}

    names = [f"{area}_{what}" for area in AREAS for what in ("logits", "cam")]
    return Served(place.out / "cat_areas.onnx", SIZE, names, call)


def score(place: Place) -> None:
    """Fit each area's temperature on the validation part, note its scores on the test part."""
    file = place.out / "cat_areas.onnx"
    for area in AREAS:
        logits, labels = answers(file, place, area, "validation")
        temperature = fit_temperature(logits, labels)
        found = measured(place, f"cat_{area}", {"temperature": temperature})
        place.note("areas", f"cat_{area}", found, temperature=temperature)


def measured(place: Place, name: str, note: Mapping[str, Any]) -> list[Metric]:
    """The figures of the file in `place.out`, at the temperature of the note."""
    file, area = place.out / "cat_areas.onnx", name.removeprefix("cat_")
    found = metrics(*answers(file, place, area, "test"), note["temperature"])
    return found + (real_eyes(file, place, area) if KIND[area] == "eye" else [])


def answers(file: Path, place: Place, area: str, part: Part, rounds: int = 2) -> tuple[Floats, Floats]:
    """Logits [K,2] and labels [K]: each face of the part normal and painted, `rounds` times."""
    crops, labels = painted(subjects(place, part), area, rounds)
    (logits,) = served.run(file, augment.unit(crops), (f"{area}_logits",))
    return logits, labels


def painted(items: Sequence[Subject], area: str, rounds: int = 2) -> tuple[list[Pixels], Floats]:
    """Crops and labels [K]: each face normal and painted, `rounds` times."""
    rng = np.random.default_rng(11)
    turns = [(subject, turn % 2) for subject in items for turn in range(2 * rounds)]
    crops = [example(rng, subject, area, label == 1, SIZE) for subject, label in turns]
    return crops, np.array([label for _, label in turns], np.float32)


def metrics(logits: Floats, labels: Floats, temperature: float) -> list[Metric]:
    """Accuracy, area under the curve and calibration error; resampled by face."""
    margin = (logits[:, 1] - logits[:, 0]) / temperature
    right = ((margin > 0) == (labels > 0)).astype(np.float32).reshape(-1, 4).mean(axis=1)
    groups = np.arange(len(labels)).reshape(-1, 4)

    def area_under(chosen: Floats) -> float:
        rows = groups[chosen.astype(int)].ravel()
        return auc(margin[rows], list(labels[rows] > 0))

    def calibration(chosen: Floats) -> float:
        rows = groups[chosen.astype(int)].ravel()
        chance = (1 / (1 + np.exp(-np.abs(margin[rows])))).astype(np.float32)
        return expected_calibration_error(chance, ((margin[rows] > 0) == (labels[rows] > 0)).astype(np.float32))

    everyone, on = np.arange(len(groups)).astype(np.float32), "test part, painted lesions, by face"
    return [
        Metric.mean("accuracy, painted", right, on),
        Metric("AUC, painted", area_under(everyone), *bootstrap(len(groups), area_under), len(groups), on),
        Metric("calibration error", calibration(everyone), *bootstrap(len(groups), calibration), len(groups), on),
    ]


def real_eyes(file: Path, place: Place, area: str) -> list[Metric]:
    """Healthy against infected real pictures in which our own networks find a face; a known shortcut."""
    detector, landmarks = place.out / "cat_face_detector.onnx", place.out / "cat_landmarks.onnx"
    if not (detector.exists() and landmarks.exists()):
        return []
    rows = list(pictures(place.data, "cat_eye_conjunctivitis"))
    images = [row.pixels() for row in rows]
    found = heads.detect(detector, images, 0.4)
    held = [index for index, boxes in enumerate(found) if boxes]
    points, _ = heads.place(landmarks, [images[k] for k in held], [found[k][0].box for k in held])
    crops = [area_crop(images[k], where, area, SIZE) for k, where in zip(held, points, strict=True)]
    (logits,) = served.run(file, augment.unit(crops), (f"{area}_logits",))
    margin = logits[:, 1] - logits[:, 0]
    sick = np.array([rows[k].row["label"] != "healthy" for k in held])

    def area_under(chosen: Floats) -> float:
        picked = chosen.astype(int)
        return auc(margin[picked], list(sick[picked]))

    on = f"{int(sick.sum())} infected, {int((~sick).sum())} healthy whole faces; framing differs: a shortcut"
    everyone = np.arange(len(held)).astype(np.float32)
    return [
        Metric("AUC, real pictures", area_under(everyone), *bootstrap(len(held), area_under), len(held), on),
        Metric.mean("healthy real eyes called abnormal", (margin[~sick] > 0).astype(np.float32), "healthy pictures"),
    ]
