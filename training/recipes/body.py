"""Teach a MobileNetV3Small to see like a public ImageNet network; the start of four other recipes.

The teacher (MobileNetV2, Apache-2.0) and the student look at the same random view, often two views mixed;
the student must predict the teacher's embedding and its class logits (Beyer et al. 2022: a patient and
consistent teacher). The teacher's weights are never shipped, and no label is used.
"""

from pathlib import Path
from typing import Any, Final

import cv2
import keras
import numpy as np
from keras import layers, ops

from training import augment, data, networks, teacher
from training.budget import Budget, Stage, Stages
from training.data import Pixels, as_pixels
from training.drawing import Batch
from training.fitting import Lesson, learn, log
from training.networks import WHOLE
from training.place import Place

DATASETS: Final = (
    "cat_face_landmarks_pseudo",
    "cats_dogs",
    "noncat_caltech101",
    "imagenet_sample1000",
    "noncat_clothing_cc0",
    "people_ccp",
)
LEAST: Final = 0.2
"""Smallest share of a picture's area in a view."""
MIXED: Final = 0.4
"""Share of views that are two views laid over each other."""
STAGES: Final[Stages] = {
    "cpu": (Stage(112, 2600, 32, 2e-3), Stage(160, 700, 32, 6e-4)),
    "gpu": (Stage(192, 3600, 256, 3e-3),),
}
SOFT: Final = 2.0
"""Temperature of the teacher's classes."""


def view(rng: np.random.Generator, images: list[Pixels], size: int) -> Pixels:
    """A random part of a random picture."""
    image = images[int(rng.integers(len(images)))]
    return augment.colour(rng, augment.random_view(rng, image, size, LEAST), 0.8)


def drawn(rng: np.random.Generator, images: list[Pixels], stage: Stage) -> Batch:
    """Views; there is nothing else to learn from than what the teacher sees in them."""
    made = []
    for _ in range(stage.batch):
        one = view(rng, images, stage.size)
        if rng.random() < MIXED:
            share = float(rng.uniform(0.5, 1.0))
            one = as_pixels(cv2.addWeighted(one, share, view(rng, images, stage.size), 1 - share, 0))
        made.append(one)
    return (augment.stacked(made),)


def build() -> networks.Network:
    """The body alone: [N,S,S,3] in -1..1 to [N,S/32,S/32,576]."""
    return networks.mobile_body(None)


def with_teacher(folder: Path) -> networks.Network:
    """Student's embedding and logits, then the teacher's of the same image, its embedding standardised."""
    body = networks.mobile_body(None)
    taught = teacher.network(folder)
    image = keras.Input((None, None, 3))
    pooled = layers.GlobalAveragePooling2D(dtype=WHOLE)(body(image))
    embedding, logits = taught(image)
    standard = layers.BatchNormalization(center=False, scale=False, dtype=WHOLE)(embedding)
    student = [layers.Dense(wanted.shape[-1], dtype=WHOLE)(pooled) for wanted in (embedding, logits)]
    return keras.Model(image, [*student, standard, logits])


def loss(outputs: Any) -> Any:
    """Squared error of the standardised embedding (1 is chance) and cross entropy of the softened classes."""
    embedding, logits, wanted, classes = outputs
    soft = ops.softmax(classes / SOFT)
    return ops.mean(ops.square(embedding - wanted)) + 0.2 * ops.mean(networks.cross_entropy(soft, logits / SOFT))


def alone(network: networks.Network) -> networks.Network:
    """The body without its teacher."""
    return network.get_layer(networks.BODY)


def train(place: Place, budget: Budget) -> None:
    """Write `body.weights.h5`."""
    folder = place.teacher
    if folder is None:
        message = "the body recipe needs --teacher"
        raise ValueError(message)
    images = data.decoded(data.only(data.everything(place.data, DATASETS), "train"), 256)
    log.info("%d pictures", len(images))
    learn(
        Lesson(
            recipe="body",
            at_size=lambda _, former: former or with_teacher(folder),
            draw=lambda rng, stage: drawn(rng, images, stage),
            loss=loss,
            stages=STAGES,
            kept=alone,
        ),
        place,
        budget,
    )
