"""Foreground mask of animals and people: a light decoder on the distilled body, in u2net's input form.

Animals learn from machine-made masks, people from hand-made ones; only the latter are scored.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import cv2
import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from training import augment, export, networks
from training.data import (
    Floats,
    Part,
    Picture,
    Pixels,
    animal_masks,
    as_pixels,
    only,
    pictures,
    read_mask,
    read_rgb,
    without_cats,
)
from training.evaluate import Metric, mask_iou
from training.fitting import Batch, Budget, fit, log
from training.place import Place

SIZE: Final = 320
MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)
STD: Final = np.array([0.229, 0.224, 0.225], np.float32)
STAGES: Final = ((192, 525, 20, 1.5e-3), (320, 158, 10, 5e-4))
"""(input size, steps, batch, peak rate)"""

Pair: TypeAlias = tuple[Pixels, Pixels]
"""A picture [H,W,3] and its mask [H,W], 0 or 255."""


def build(size: int = SIZE, weights: Path | None = None) -> networks.Network:
    """[N,S,S,3] normalised as u2net to mask logits [N,S,S,1]."""
    body = networks.mobile_body(size, weights)
    stem = next(layer for layer in body.layers if isinstance(layer, layers.Activation))
    x = networks.conv(body.get_layer(networks.TAPS[32]).output, 96, kernel=1)
    for stride, channels in ((16, 80), (8, 64), (4, 40)):
        side = networks.conv(body.get_layer(networks.TAPS[stride]).output, channels // 2, kernel=1)
        x = networks.separable(layers.Concatenate()([networks.upsample(x), side]), channels)
        x = networks.separable(x, channels)
    x = networks.conv(layers.Concatenate()([networks.upsample(x), stem.output]), 24)
    x = layers.Conv2D(1, 3, padding="same")(networks.conv(x, 16))
    return keras.Model(body.input, networks.upsample(x))


def normalised(image: Pixels) -> Floats:
    """Divide by the brightest value, then ImageNet's mean and deviation."""
    scaled = image.astype(np.float32) / max(float(image.max()), 1e-6)
    return np.asarray((scaled - MEAN) / STD, np.float32)


def people(folder: Path, part: Part) -> list[Picture]:
    """Street pictures with hand-made masks."""
    return only(pictures(folder, "people_ccp"), part)


def person_mask(picture: Picture) -> Pixels:
    """0 or 255, [H,W]."""
    labels = cv2.imread(str(picture.path.with_name(picture.path.stem + "_mask.png")), cv2.IMREAD_GRAYSCALE)
    return as_pixels((np.asarray(labels) > 0) * 255)


def draw(rng: np.random.Generator, image: Pixels, mask: Pixels, behind: Pixels | None, size: int) -> Pair:
    """One training pair: a random crop, turned a little, sometimes before another background."""
    height, width = mask.shape
    scale_x = size / width * float(np.exp(rng.uniform(0.0, 0.6)))
    scale_y = size / height * float(np.exp(rng.uniform(0.0, 0.6)))
    middle = (width * float(rng.uniform(0.4, 0.6)), height * float(rng.uniform(0.4, 0.6)))
    matrix = augment.similarity(middle, 1.0, float(rng.normal(0, 6)), (0, 0))
    matrix = (np.diag([scale_x, scale_y]).astype(np.float32) @ matrix).astype(np.float32)
    if rng.random() < 0.5:
        matrix[0] *= -1
    matrix[:, 2] += size / 2
    cut = augment.warp(np.dstack([mask] * 3), matrix, size, fill=0)[..., :1]
    made = augment.warp(image, matrix, size)
    if behind is not None:
        alpha = cv2.GaussianBlur(cut, (0, 0), 1.0)[..., None].astype(np.float32) / 255
        made = as_pixels(made * alpha + augment.squash(behind, size) * (1 - alpha))
    return augment.colour(rng, made, 0.8), cut


def batches(
    rng: np.random.Generator, groups: list[list[Pair]], others: list[Pixels], size: int, batch: int
) -> Iterator[Batch]:
    """Normalised pictures and masks 0..1; every group (animals, people) gets an equal share."""
    while True:
        inputs, masks = [], []
        for number in range(batch):
            pairs = groups[number % len(groups)]
            image, mask = pairs[int(rng.integers(len(pairs)))]
            behind = others[int(rng.integers(len(others)))] if rng.random() < 0.2 else None
            made, cut = draw(rng, image, mask, behind, size)
            inputs.append(normalised(made))
            masks.append(cut.astype(np.float32) / 255)
        yield np.stack(inputs), np.stack(masks)


def loss(logits: Any, wanted: Any) -> Any:
    """Cross entropy and soft overlap."""
    cross = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(wanted, logits))
    chance = tf.sigmoid(logits)
    both = tf.reduce_sum(chance * wanted, axis=(1, 2, 3))
    total = tf.reduce_sum(chance + wanted, axis=(1, 2, 3))
    return cross + tf.reduce_mean(1 - (2 * both + 1) / (total + 1))


def train(place: Place, budget: Budget) -> None:
    """Train in two sizes, export, score."""
    rng = np.random.default_rng(place.seed)
    pets = [(read_rgb(path), read_mask(mask)) for path, mask in animal_masks(place.data, "train")]
    persons = [(item.pixels(), person_mask(item)) for item in people(place.data, "train")]
    empty = [
        item
        for item in without_cats(place.data, "train")
        if item.dataset in {"noncat_caltech101", "imagenet_sample1000"}
    ]
    others = [item.pixels(160) for item in empty]
    log.info("%d animals, %d people, %d backgrounds", len(pets), len(persons), len(others))
    model = build(STAGES[0][0], place.body)
    for size, steps, batch, rate in STAGES:
        kept = model.get_weights()
        model = build(size)
        model.set_weights(kept)
        fit(model, batches(rng, [pets, persons], others, size, batch), loss, budget.steps(steps), rate)
    model.save_weights(str(place.out / "matte.weights.h5"))
    finish(model, place)


def again(place: Place) -> None:
    """Export and score the weights that are there."""
    model = build()
    model.load_weights(str(place.out / "matte.weights.h5"))
    finish(model, place)


def finish(model: networks.Network, place: Place) -> None:
    """Export and score on people never trained on; animals only as agreement with their teacher."""
    file = place.out / "background.onnx"

    def serve(image: Any) -> dict[str, Any]:
        return {"mask": ops.sigmoid(model(image, training=False))}

    export.to_onnx(serve, SIZE, file, ("mask",))
    persons = [(item.pixels(), person_mask(item)) for item in people(place.data, "test")]
    pets = [(read_rgb(path), read_mask(mask)) for path, mask in animal_masks(place.data, "test")]
    place.note(
        "background",
        [
            Metric.mean("IoU, people", overlaps(file, persons), "test part of people_ccp, hand-made masks"),
            Metric.mean("IoU, animals", overlaps(file, pets), "test part, agreement with machine-made masks"),
        ],
    )


def overlaps(file: Path, pairs: list[Pair]) -> list[float]:
    """IoU of each pair at the picture's own size."""
    found = []
    for first in range(0, len(pairs), 64):
        block = pairs[first : first + 64]
        inputs = np.stack([normalised(augment.squash(image, SIZE)) for image, _ in block])
        for cut, (_, mask) in zip(export.run(file, inputs, ("mask",))[0], block, strict=True):
            full = cv2.resize(cut[:, :, 0], (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_LINEAR)
            found.append(mask_iou(np.asarray(full), mask / 255))
    return found
