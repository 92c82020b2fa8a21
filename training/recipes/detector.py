"""Anchor-free cat head detector: one box and one score for each cell of three grids."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from training import export, heads, networks
from training.data import Floats, Part, Pixels, only, pictures, without_cats
from training.faces import Face, face_of
from training.fitting import Batch, Budget, fit, log
from training.place import Place
from training.scenes import Scene, draw_scene

SIZE: Final = 320
STRIDES: Final = (8, 16, 32)
LEVEL_SIDES: Final = ((0.0, 64.0), (44.0, 150.0), (105.0, 1e9))
"""Sides of heads, in input pixels, that each stride answers for; they overlap."""
NECK: Final = 64
THRESHOLD: Final = 0.5
"""Fixed in advance, never fitted."""
STAGES: Final = ((224, 750, 32, 1.5e-3), (320, 350, 24, 5e-4))
"""(input size, steps, batch, peak rate)"""


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
        raw = layers.Reshape((cells, 4))(layers.Conv2D(4, 1, name=f"box_{level}")(x))
        boxes.append(Decode(size, stride)(raw))
        rare = keras.initializers.Constant(-4.6)  # a head in a cell is rare: start near 1 %
        logit = layers.Conv2D(1, 1, bias_initializer=rare, name=f"score_{level}")(x)
        scores.append(layers.Reshape((cells,))(logit))
    joined = layers.Concatenate(axis=1)(boxes), layers.Concatenate(axis=1)(scores)
    return keras.Model(body.input, list(joined))


class Decode(layers.Layer):  # type: ignore[misc]
    """Raw offsets of one level to boxes in input pixels."""

    def __init__(self, size: int, stride: int) -> None:
        """Fix the cells' centres."""
        super().__init__()
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
    low = tf.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    high = tf.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    both = tf.reduce_prod(tf.maximum(high - low, 0.0), axis=-1)
    union = tf.reduce_prod(a[..., 2:], axis=-1) + tf.reduce_prod(b[..., 2:], axis=-1) - both
    outer_low = tf.minimum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    outer_high = tf.maximum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    hull = tf.reduce_prod(outer_high - outer_low, axis=-1)
    iou = both / (union + 1e-6)
    return iou, iou - (hull - union) / (hull + 1e-6)


def loss(outputs: Any, boxes: Any, marks: Any) -> Any:
    """Generalised IoU where a head is; scores learn the IoU (or 0) with a focal weight."""
    found, logits = outputs
    head = tf.cast(marks > 0, tf.float32)
    iou, generalised = overlap(found, boxes)
    count = tf.maximum(tf.reduce_sum(head), 1.0)
    fit_loss = tf.reduce_sum((1 - generalised) * head) / count
    quality = tf.stop_gradient(tf.maximum(iou, 0.2) * head)
    chance = tf.sigmoid(logits)
    focus = tf.stop_gradient(tf.where(marks > 0, tf.ones_like(chance), 0.75 * tf.square(chance)))
    cross = tf.nn.sigmoid_cross_entropy_with_logits(quality, logits) * focus * tf.cast(marks >= 0, tf.float32)
    return 2 * fit_loss + tf.reduce_sum(cross) / count


def batches(
    rng: np.random.Generator, faces: list[Face], images: list[Pixels], empties: list[Pixels], size: int, batch: int
) -> Iterator[Batch]:
    """Scenes in -1..1 with the boxes and marks of every cell."""
    while True:
        scenes: list[Scene] = [draw_scene(rng, faces, images, empties, size) for _ in range(batch)]
        assigned = [assign(size, scene.heads) for scene in scenes]
        pixels = np.stack([scene.pixels for scene in scenes]).astype(np.float32) / 127.5 - 1
        yield pixels, np.stack([box for box, _ in assigned]), np.stack([mark for _, mark in assigned])


def train(place: Place, budget: Budget) -> None:
    """Train from `body.weights.h5` (if there) in two sizes, export, score."""
    rng = np.random.default_rng(place.seed)
    faces = labelled_faces(place, "train")
    images = [face.picture.pixels() for face in faces]
    empties = [item.pixels(200) for item in without_cats(place.data, "train")]
    log.info("%d faces, %d pictures without", len(faces), len(empties))
    model = build(STAGES[0][0], place.body)
    for size, steps, batch, rate in STAGES:
        kept = model.get_weights()
        model = build(size)
        model.set_weights(kept)
        fit(model, batches(rng, faces, images, empties, size, batch), loss, budget.steps(steps), rate)
    model.save_weights(str(place.out / "detector.weights.h5"))
    finish(model, place)


def labelled_faces(place: Place, part: Part) -> list[Face]:
    """The faces of one part."""
    return [face_of(item) for item in only(pictures(place.data, "cat_face_landmarks_pseudo"), part)]


def again(place: Place) -> None:
    """Export and score the weights that are there."""
    model = build()
    model.load_weights(str(place.out / "detector.weights.h5"))
    finish(model, place)


def finish(model: networks.Network, place: Place) -> None:
    """Export and score on the test part at the fixed threshold."""
    file = place.out / "cat_face_detector.onnx"

    def serve(image: Any) -> dict[str, Any]:
        boxes, logits = model(image, training=False)
        return {"boxes": boxes, "scores": ops.sigmoid(logits)}

    export.to_onnx(serve, SIZE, file, ("boxes", "scores"))
    metrics = heads.detector_metrics(file, labelled_faces(place, "test"), without_cats(place.data, "test"), THRESHOLD)
    place.note("cat_face_detector", metrics, thresholds={"score": THRESHOLD, "iou": 0.45})
