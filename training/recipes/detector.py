"""Anchor-free cat head detector: one box and one score for each cell of three grids."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from keras import layers, ops

from training import augment, heads, networks
from training.budget import Budget, Stage, Stages
from training.data import Floats, Part, Picture, Pixels, decoded, only, pictures, without_cats
from training.drawing import Batch
from training.evaluate import Metric
from training.faces import Face, face_of
from training.fitting import Lesson, learn, log
from training.folder import BOX, boxed, own
from training.networks import WHOLE
from training.place import Place
from training.scenes import draw_scene
from training.served import Served

SIZE: Final = 320
STRIDES: Final = (8, 16, 32)
LEVEL_SIDES: Final = ((0.0, 64.0), (44.0, 150.0), (105.0, 1e9))
"""Sides of heads, in input pixels, that each stride answers for; they overlap."""
NECK: Final = 64
THRESHOLD: Final = 0.5
"""Fixed in advance, never fitted."""
STAGES: Final[Stages] = {
    "cpu": (Stage(224, 750, 32, 1.5e-3), Stage(SIZE, 350, 24, 5e-4)),
    "gpu": (Stage(SIZE, 4000, 96, 1.5e-3),),
}


def build(size: int = SIZE, weights: Path | None = None) -> networks.Network:
    """[N,S,S,3] in -1..1 to boxes [N,A,4] (cx,cy,w,h in input pixels) and score logits [N,A]."""
    body = networks.mobile_body(size, weights)
    taps = [body.get_layer(networks.TAPS[stride]).output for stride in STRIDES]
    lateral = [networks.conv(tap, NECK, kernel=1) for tap in taps]
    top = networks.separable(lateral[2], NECK)
    middle = networks.separable(layers.Add()([lateral[1], networks.upsample(top)]), NECK)
    fine = networks.separable(layers.Add()([lateral[0], networks.upsample(middle)]), NECK)
    boxes, scores = [], []
    for level, (stride, features) in enumerate(zip(STRIDES, (fine, middle, top), strict=True)):
        x = networks.separable(features, NECK)
        cells = (size // stride) ** 2
        raw = layers.Reshape((cells, 4), dtype=WHOLE)(layers.Conv2D(4, 1, name=f"box_{level}", dtype=WHOLE)(x))
        boxes.append(Decode(size, stride)(raw))
        rare = keras.initializers.Constant(-4.6)  # a head in a cell is rare: start near 1 %
        logit = layers.Conv2D(1, 1, bias_initializer=rare, name=f"score_{level}", dtype=WHOLE)(x)
        scores.append(layers.Reshape((cells,), dtype=WHOLE)(logit))
    joined = [layers.Concatenate(axis=1, dtype=WHOLE)(parts) for parts in (boxes, scores)]
    return keras.Model(body.input, joined)


class Decode(layers.Layer):  # type: ignore[misc]
    """Raw offsets of one level to boxes in input pixels."""

    def __init__(self, size: int, stride: int) -> None:
        """Fix the cells' centres."""
        super().__init__(dtype=WHOLE)
        self.stride = stride
        self.centres = centres(size, stride)

    def call(self, raw: Any) -> Any:
        """Centre moves by strides, sides are four strides times an exponential."""
        where = ops.convert_to_tensor(self.centres) + raw[..., :2] * self.stride
        sides = ops.exp(ops.clip(raw[..., 2:], -4.0, 4.0)) * (4.0 * self.stride)
        return ops.concatenate([where, sides], axis=-1)


def centres(size: int, stride: int) -> Floats:
    """Centres of one level's cells, [cells,2] as x,y in input pixels."""
    line = (np.arange(size // stride) + 0.5) * stride
    y, x = np.meshgrid(line, line, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def assign(size: int, labelled: Floats) -> tuple[Floats, Floats]:
    """For labelled heads [K,3] (cx,cy,side): boxes [A,4] and marks [A] (1 head, 0 nothing, -1 do not care)."""
    boxes, marks = [], []
    for stride, (least, most) in zip(STRIDES, LEVEL_SIDES, strict=True):
        where = centres(size, stride)
        box, mark = np.ones((len(where), 4), np.float32), np.zeros(len(where), np.float32)
        for cx, cy, side in labelled:
            away = np.abs(where - np.array([cx, cy], np.float32)).max(axis=1)
            mine = (away <= 0.75 * stride) & (least <= side < most)
            near = (away <= max(1.6 * stride, 0.2 * side)) & (mark == 0)
            mark[near] = -1
            mark[mine] = 1
            box[mine] = (cx, cy, side, side)
        boxes.append(box)
        marks.append(mark)
    return np.concatenate(boxes), np.concatenate(marks)


def overlap(a: Any, b: Any) -> tuple[Any, Any]:
    """IoU and generalised IoU of boxes [...,4] given as cx,cy,w,h."""
    low = ops.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    high = ops.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    both = ops.prod(ops.maximum(high - low, 0.0), axis=-1)
    union = ops.prod(a[..., 2:], axis=-1) + ops.prod(b[..., 2:], axis=-1) - both
    outer_low = ops.minimum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    outer_high = ops.maximum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    hull = ops.prod(outer_high - outer_low, axis=-1)
    iou = both / (union + 1e-6)
    return iou, iou - (hull - union) / (hull + 1e-6)


def loss(outputs: Any, boxes: Any, marks: Any) -> Any:
    """Generalised IoU where a head is; scores learn the IoU (or 0) with a focal weight."""
    found, logits = outputs
    head = ops.cast(marks > 0, "float32")
    iou, generalised = overlap(found, boxes)
    count = ops.maximum(ops.sum(head), 1.0)
    fit_loss = ops.sum((1 - generalised) * head) / count
    quality = ops.stop_gradient(ops.maximum(iou, 0.2) * head)
    chance = ops.sigmoid(logits)
    focus = ops.stop_gradient(ops.where(marks > 0, ops.ones_like(chance), 0.75 * ops.square(chance)))
    cross = ops.binary_crossentropy(quality, logits, from_logits=True) * focus * ops.cast(marks >= 0, "float32")
    return 2 * fit_loss + ops.sum(cross) / count


def drawn(
    rng: np.random.Generator, faces: list[Face], images: list[Pixels], empties: list[Pixels], stage: Stage
) -> Batch:
    """Scenes with the boxes and marks of every cell."""
    scenes = [draw_scene(rng, faces, images, empties, stage.size) for _ in range(stage.batch)]
    assigned = [assign(stage.size, scene.heads) for scene in scenes]
    pixels = augment.stacked([scene.pixels for scene in scenes])
    return pixels, np.stack([box for box, _ in assigned]), np.stack([mark for _, mark in assigned])


def train(place: Place, budget: Budget) -> None:
    """Train from `body.weights.h5` (if there) in the budget's sizes."""
    faces = labelled_faces(place, "train")
    images = decoded(face.picture for face in faces)
    empties = decoded(empty_pictures(place, "train"), 200)
    log.info("%d faces, %d pictures without", len(faces), len(empties))
    lesson = Lesson(
        recipe="detector",
        at_size=lambda size, former: networks.copied(build(size, place.body), former),
        draw=lambda rng, stage: drawn(rng, faces, images, empties, stage),
        loss=loss,
        stages=STAGES,
    )
    learn(lesson, place, budget)


def labelled_faces(place: Place, part: Part) -> list[Face]:
    """The faces of one part, of our set or a user's folder."""
    if own(place.data):
        return [in_box(item) for item in only(boxed(place.data), part) if item.row["x0"]]
    return [face_of(item) for item in only(pictures(place.data, "cat_face_landmarks_pseudo"), part)]


def in_box(item: Picture) -> Face:
    """A head as a user drew it: the whole head, its points unknown."""
    x0, y0, x1, y1 = (float(item.row[name]) for name in BOX)
    return Face(item, ((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0 + y1 - y0) / 2, np.zeros((6, 2), np.float32), 1.0)


def empty_pictures(place: Place, part: Part) -> list[Picture]:
    """Pictures of one part without a cat."""
    if own(place.data):
        return [item for item in only(boxed(place.data), part) if not item.row["x0"]]
    return without_cats(place.data, part)


def serving(place: Place) -> Served:
    """The trained network with chances for scores."""
    model = build()
    model.load_weights(str(place.weights("detector")))

    def call(image: Any) -> dict[str, Any]:
        boxes, logits = model(image, training=False)
        return {"boxes": boxes, "scores": ops.sigmoid(logits)}

    return Served(place.out / "cat_face_detector.onnx", SIZE, ("boxes", "scores"), call)


def score(place: Place) -> None:
    """Note the scores on the test part at the fixed threshold."""
    metrics = measured(place, "cat_face_detector", {})
    place.note("detector", "cat_face_detector", metrics, thresholds={"score": THRESHOLD, "iou": 0.45})


def measured(place: Place, name: str, _note: Mapping[str, Any]) -> list[Metric]:
    """The figures of the file in `place.out`."""
    faces, empties = labelled_faces(place, "test"), empty_pictures(place, "test")
    return heads.detector_metrics(place.out / f"{name}.onnx", faces, empties, THRESHOLD)
