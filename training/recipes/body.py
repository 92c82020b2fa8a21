"""Teach a MobileNetV3Small to see like a public ImageNet network; the start of four other recipes.

The teacher (MobileNetV2, Apache-2.0) is asked for its embedding of random views; the student must
predict it from the same view. The teacher's weights are never shipped, and no label is used.
"""

from collections.abc import Iterator
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from training import augment, data, networks, teacher
from training.data import Floats, Pixels
from training.fitting import Batch, Budget, fit, log
from training.place import Place

DATASETS: Final = (
    "cat_face_landmarks_pseudo",
    "cats_dogs",
    "noncat_caltech101",
    "imagenet_sample1000",
    "noncat_clothing_cc0",
    "people_ccp",
)
VIEWS: Final = 8
VIEW_SIZE: Final = 160
STAGES: Final = ((112, 3600, 2e-3), (160, 1600, 6e-4))
"""(input size, steps of 32 views, peak rate)"""
BATCH: Final = 32


def views(items: list[data.Picture], rng: np.random.Generator) -> Pixels:
    """`VIEWS` random views of each picture: [N,160,160,3]."""
    made = np.empty((len(items) * VIEWS, VIEW_SIZE, VIEW_SIZE, 3), np.uint8)
    for number, item in enumerate(items):
        image = item.pixels(256)
        for view in range(VIEWS):
            made[number * VIEWS + view] = augment.colour(rng, augment.random_view(rng, image, VIEW_SIZE, 0.25), 0.8)
    return made


def batches(rng: np.random.Generator, images: Pixels, wanted: Floats, size: int) -> Iterator[Batch]:
    """Shuffled views at `size` pixels in -1..1, with their embeddings."""
    while True:
        order = rng.permutation(len(images))
        for first in range(0, len(order) - BATCH + 1, BATCH):
            chosen = np.sort(order[first : first + BATCH])
            block = np.stack([augment.squash(images[index], size) for index in chosen])
            yield block.astype(np.float32) / 127.5 - 1, wanted[chosen]


def distance(predicted: Any, wanted: Any) -> Any:
    """Mean squared error of the standardised embedding: 1 is chance."""
    return tf.reduce_mean(tf.square(predicted - wanted))


def train(place: Place, budget: Budget) -> None:
    """Write `body.weights.h5`."""
    if place.teacher is None:
        message = "the body recipe needs --teacher"
        raise ValueError(message)
    rng = np.random.default_rng(place.seed)
    items = data.only(data.everything(place.data, DATASETS), "train")
    images = views(items, rng)
    log.info("%d views of %d pictures", len(images), len(items))
    raw = teacher.ask(place.teacher, images, "embedding", budget.threads)
    wanted = np.asarray((raw - raw.mean(0)) / (raw.std(0) + 1e-3), np.float32)
    body = networks.mobile_body(None)
    pooled = keras.layers.GlobalAveragePooling2D()(body.output)
    student = keras.Model(body.input, keras.layers.Dense(wanted.shape[1])(pooled))
    for size, steps, rate in STAGES:
        fit(student, batches(rng, images, wanted, size), distance, budget.steps(steps), rate)
    body.save_weights(str(place.out / "body.weights.h5"))
