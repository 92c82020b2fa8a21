"""Six points on a cat's head crop: heat maps whose expectation is the point, with a margin.

The heat maps reach a sixth of the crop beyond its edge, so that a point may lie outside. The
confidence is trained against what the points really missed, and against crops without a face.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from keras import layers, ops

from training import augment, heads, networks
from training.budget import Budget, Stage, Stages
from training.data import Floats, Part, Pixels, as_pixels, decoded, only, pictures, without_cats
from training.drawing import Batch
from training.evaluate import Metric, fit_line
from training.faces import FLIPPED, Face, face_of
from training.fitting import Lesson, learn, log
from training.networks import WHOLE
from training.place import Place
from training.served import Served

SIZE: Final = 96
GRID: Final = 24
MARGIN: Final = 4
"""Cells of heat map around the crop on each side."""
STAGES: Final[Stages] = {"cpu": (Stage(SIZE, 1890, 48, 2e-3),), "gpu": (Stage(SIZE, 9000, 128, 2e-3),)}
EMPTY: Final = 0.17
"""Share of crops without a face."""
GOOD: Final = 0.10
"""A face is well placed when its points miss by less than this share of the head's side on average."""


def build(size: int = SIZE) -> networks.Network:
    """[N,96,96,3] in -1..1 to points [N,6,2], confidence logit [N,1], heat logits [N,32*32,6]."""
    image = keras.Input((size, size, 3), name="image")
    x = networks.conv(image, 24, stride=2)
    x = networks.conv(x, 24)
    fine = networks.conv(networks.conv(x, 48, stride=2), 64)
    middle = networks.conv(networks.conv(fine, 96, stride=2), 96)
    coarse = networks.conv(networks.conv(middle, 128, stride=2), 128)
    x = networks.conv(layers.Concatenate()([networks.upsample(coarse), middle]), 64)
    x = networks.conv(layers.Concatenate()([networks.upsample(x), fine]), 64)
    x = networks.separable(layers.ZeroPadding2D(MARGIN)(x), 64, kernel=7)
    cells = GRID + 2 * MARGIN
    heat = layers.Reshape((cells * cells, 6), dtype=WHOLE)(layers.Conv2D(6, 1, dtype=WHOLE)(x))
    chance = layers.Softmax(axis=1, dtype=WHOLE)(heat)
    points = Expectation(cells, name="points", dtype=WHOLE)(chance)
    peaks = layers.GlobalMaxPooling1D(dtype=WHOLE)(chance)
    pooled = layers.Concatenate(dtype=WHOLE)([layers.GlobalAveragePooling2D(dtype=WHOLE)(coarse), peaks])
    sure = layers.Dense(1, name="sure", dtype=WHOLE)(layers.Dense(32, activation="relu", dtype=WHOLE)(pooled))
    return keras.Model(image, [points, sure, heat])


@keras.saving.register_keras_serializable("training")
class Expectation(layers.Layer):  # type: ignore[misc]
    """Mean position under each heat map: [N,cells*cells,6] to [N,6,2], 0..1 over the crop."""

    def __init__(self, cells: int, **named: Any) -> None:
        """Fix the positions of the cells' centres."""
        super().__init__(**named)
        self.where = cell_centres(cells)

    def call(self, chance: Any) -> Any:
        """Weigh the positions."""
        return ops.einsum("nck,cd->nkd", chance, ops.convert_to_tensor(self.where))


def cell_centres(cells: int) -> Floats:
    """Centres of the heat map's cells, [cells*cells,2] as x,y in units of the crop."""
    line = (np.arange(cells) - MARGIN + 0.5) / GRID
    y, x = np.meshgrid(line, line, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def face_crop(rng: np.random.Generator, image: Pixels, face: Face, size: int = SIZE) -> tuple[Pixels, Floats, float]:
    """A jittered crop, its points in crop units, and the head's side in crop units."""
    wild = rng.random() < 0.12
    degrees = rng.uniform(-180, 180) if wild and rng.random() < 0.5 else rng.normal(0, 16)
    grow = float(np.exp(rng.uniform(-0.7, 0.7) if wild else rng.normal(0.05, 0.13)))
    shift = rng.normal(0, 0.25 if wild else 0.06, 2) * face.side
    scale = size / (face.side * grow)
    centre = (face.centre[0] + float(shift[0]), face.centre[1] + float(shift[1]))
    matrix = augment.similarity(centre, scale, float(degrees), (size / 2, size / 2))
    stretch = float(np.exp(rng.normal(0, 0.06)))
    matrix[0] *= stretch
    matrix[0, 2] += size / 2 * (1 - stretch)
    matrix = augment.squeezed(rng, matrix, (size / 2, size / 2))
    crop = augment.warp(image, matrix, size, fill=augment.GREY if rng.random() < 0.7 else int(rng.integers(0, 256)))
    points = np.asarray(augment.transform(face.points, matrix) / size, np.float32)
    if rng.random() < 0.5:
        crop, points = as_pixels(crop[:, ::-1]), mirrored(points)
    if rng.random() < 0.25:
        crop = cut_off(rng, crop)
    return augment.colour(rng, crop), points, 1 / grow


def mirrored(points: Floats) -> Floats:
    """Points [6,2] of the mirrored crop."""
    turned = points[list(FLIPPED)].copy()
    turned[:, 0] = 1 - turned[:, 0]
    return turned


def cut_off(rng: np.random.Generator, crop: Pixels) -> Pixels:
    """As if the picture ended inside the crop: one edge becomes grey."""
    depth = int(rng.uniform(0.05, 0.33) * len(crop))
    turns = int(rng.choice([0, 0, 0, 1, 2, 3]))  # mostly the top edge, where ears leave the picture
    turned = np.rot90(crop, turns).copy()
    turned[:depth] = augment.GREY
    return as_pixels(np.ascontiguousarray(np.rot90(turned, -turns)))


def empty_crop(rng: np.random.Generator, images: list[Pixels]) -> Pixels:
    """A square without a cat's face."""
    image = images[int(rng.integers(len(images)))]
    side = float(rng.uniform(0.25, 1.0)) * min(image.shape[:2])
    centre = (float(rng.uniform(0, image.shape[1])), float(rng.uniform(0, image.shape[0])))
    matrix = augment.similarity(centre, SIZE / side, float(rng.normal(0, 15)), (SIZE / 2, SIZE / 2))
    return augment.colour(rng, augment.warp(image, matrix, SIZE))


def drawn(
    rng: np.random.Generator, faces: list[Face], images: list[Pixels], empties: list[Pixels], stage: Stage
) -> Batch:
    """Crops with points, weights (0 = no face) and head sides."""
    crops, points, weights, sides = [], [], [], []
    for _ in range(stage.batch):
        if rng.random() < EMPTY:
            crop, where, weight, side = empty_crop(rng, empties), np.zeros((6, 2), np.float32), 0.0, 1.0
        else:
            index = int(rng.integers(len(faces)))
            crop, where, side = face_crop(rng, images[index], faces[index])
            weight = faces[index].weight
        crops.append(crop)
        points.append(where)
        weights.append(weight)
        sides.append(side)
    return augment.stacked(crops), np.stack(points), np.array(weights, np.float32), np.array(sides, np.float32)


def loss(outputs: Any, wanted: Any, weight: Any, side: Any) -> Any:
    """Distance of the points, shape of the heat maps, and honesty of the confidence."""
    points, sure, heat = outputs
    missed = ops.abs(points - wanted) / side[:, None, None]
    near = ops.mean(ops.minimum(missed, 0.5), axis=(1, 2))
    cells = ops.convert_to_tensor(cell_centres(GRID + 2 * MARGIN))
    apart = ops.sum(ops.square(cells[None, :, None] - wanted[:, None]), axis=3)
    bell = ops.exp(-apart * (GRID**2 / (2 * 1.2**2)))
    mass = ops.sum(bell, axis=1, keepdims=True)
    shape = -ops.sum(bell / (mass + 1e-6) * ops.log_softmax(heat, axis=1), axis=1)
    shape = ops.mean(shape * ops.cast(mass[:, 0] > 0.5, "float32"), axis=1)
    placed = ops.mean(ops.sqrt(ops.sum(ops.square(points - wanted), axis=2)), axis=1) / side
    good = ops.cast(ops.logical_and(placed < GOOD, weight > 0), "float32")
    honest = ops.binary_crossentropy(good, sure[:, 0], from_logits=True)
    return ops.mean(weight * (20 * near + 0.3 * shape) + 0.3 * honest)


def train(place: Place, budget: Budget) -> None:
    """Write `landmarks.weights.h5`."""
    seen, held = material(place, "train"), material(place, "validation")
    log.info("%d faces, %d pictures without", len(seen[0]), len(seen[2]))
    lesson = Lesson(
        recipe="landmarks",
        at_size=lambda _, former: former or build(),
        draw=lambda rng, stage: drawn(rng, *seen, stage),
        loss=loss,
        stages=STAGES,
        validation=lambda rng, stage: drawn(rng, *held, stage),
    )
    learn(lesson, place, budget)


def material(place: Place, part: Part) -> tuple[list[Face], list[Pixels], list[Pixels]]:
    """The faces of one part, their pictures, and pictures without a face."""
    return *labelled_faces(place, part), decoded(without_cats(place.data, part), 160)


def labelled_faces(place: Place, part: Part) -> tuple[list[Face], list[Pixels]]:
    """The faces of one part and their pictures."""
    faces = [face_of(item) for item in only(pictures(place.data, "cat_face_landmarks_pseudo"), part)]
    return faces, decoded(face.picture for face in faces)


def judged(model: networks.Network, place: Place, part: Part) -> tuple[Floats, Floats]:
    """Errors [K,6] in head sides and logits [K]: jittered faces and a share of empty crops (error inf)."""
    shown = material(place, part)
    rng, some = np.random.default_rng(1), Stage(SIZE, 40, 48, 0.0)
    errors, logits = [], []
    for _ in range(some.steps):
        crops, wanted, weight, side = drawn(rng, *shown, some)
        points, sure, _ = model(augment.unit(crops), training=False)
        missed = np.linalg.norm(np.asarray(points) - wanted, axis=2) / side[:, None]
        missed[weight == 0] = np.inf
        errors.append(missed)
        logits.append(np.asarray(sure)[:, 0])
    return np.concatenate(errors), np.concatenate(logits)


def serving(place: Place) -> Served:
    """The trained network with its confidence calibrated on the validation part."""
    model = build()
    model.load_weights(str(place.weights("landmarks")))
    errors, logits = judged(model, place, "validation")
    scale, offset = fit_line(logits, (errors.mean(axis=1) < GOOD).astype(np.float32))

    def call(image: Any) -> dict[str, Any]:
        points, sure, _ = model(image, training=False)
        return {"points": points, "confidence": ops.sigmoid(sure[:, 0] * scale + offset)}

    return Served(place.out / "cat_landmarks.onnx", SIZE, ("points", "confidence"), call)


def score(place: Place) -> None:
    """Note the scores on machine-made and on true points."""
    place.note("landmarks", "cat_landmarks", measured(place, "cat_landmarks", {}), thresholds={"confidence": 0.5})


def measured(place: Place, name: str, _note: Mapping[str, Any]) -> list[Metric]:
    """The figures of the file in `place.out`."""
    return metrics(place.out / f"{name}.onnx", place)


def metrics(file: Path, place: Place) -> list[Metric]:
    """Within 10 % of the head's side: the test part's own boxes, then true points under the detector."""
    faces, images = labelled_faces(place, "test")
    boxes = [np.array([*face.centre, face.side, face.side], np.float32) for face in faces]
    points, sure = heads.place(file, images, boxes)
    sides = np.array([face.side for face in faces])[:, None]
    missed = np.linalg.norm(points - np.stack([face.points for face in faces]), axis=2) / sides
    inner = (missed[:, [0, 1, 4, 5]] < GOOD).mean(axis=1)
    empties = [item.pixels() for item in without_cats(place.data, "test")]
    whole = [np.array([w / 2, h / 2, min(w, h), min(w, h)], np.float32) for h, w in (e.shape[:2] for e in empties)]
    _, fooled = heads.place(file, empties, whole)
    found = [
        Metric.mean("eyes, mouth, nose within 10 %", inner, "test part, machine-made points"),
        Metric.mean("ear bases within 10 %", (missed[:, 2:4] < GOOD).mean(axis=1), "test part, machine-made points"),
        Metric.mean("mean error / head side", missed.mean(axis=1), "test part, machine-made points"),
        Metric.mean("confidence >= 0.5", sure >= 0.5, "test part, faces"),
        Metric.mean("confidence >= 0.5 without a face", fooled >= 0.5, "test part, pictures without a cat"),
    ]
    detector = place.out / "cat_face_detector.onnx"
    if place.truth is None or not detector.exists():
        return found
    true_errors, _, lost = heads.true_point_errors(file, detector, place.truth)
    shares = np.concatenate([(true_errors[:, [0, 1, 4]] < GOOD).mean(axis=1), np.zeros(lost)])
    ears = np.concatenate([(true_errors[:, 2:4] < GOOD).mean(axis=1), np.zeros(lost)])
    on = "hand-made points under the found box, a lost head counts as missed"
    return [
        *found,
        Metric.mean("true eyes and mouth within 10 %", shares, on),
        Metric.mean("true ear bases within 10 %", ears, on),
    ]
