"""Foreground mask of animals and people: a light decoder on the distilled body, in u2net's input form.

Animals learn from machine-made masks, people from hand-made ones; only the latter are scored.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import cv2
import keras
import numpy as np
from keras import layers, ops

from training import augment, networks, served
from training.budget import Budget, Stage, Stages
from training.data import (
    Floats,
    Part,
    Picture,
    Pixels,
    animal_masks,
    as_pixels,
    decoded,
    only,
    pictures,
    read_mask,
    read_rgb,
    without_cats,
)
from training.drawing import Batch
from training.evaluate import Metric, mask_iou
from training.fitting import Lesson, learn, log
from training.folder import masked, own
from training.networks import WHOLE
from training.place import Place
from training.served import Served

SIZE: Final = 320
MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)
STD: Final = np.array([0.229, 0.224, 0.225], np.float32)
STAGES: Final[Stages] = {
    "cpu": (Stage(192, 525, 20, 1.5e-3), Stage(SIZE, 158, 10, 5e-4)),
    "gpu": (Stage(SIZE, 4000, 64, 1.5e-3),),
}

ON: Final = {
    "people": "test part of people_ccp, hand-made masks",
    "animals": "test part, agreement with machine-made masks",
    "own pictures": "test part of own pictures",
}
"""What each group is scored on."""

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
    x = layers.Conv2D(1, 3, padding="same", dtype=WHOLE)(networks.conv(x, 16))
    return keras.Model(body.input, networks.upsample(x, dtype=WHOLE))


def normalised(image: Pixels) -> Floats:
    """Divide by the brightest value, then ImageNet's mean and deviation."""
    scaled = image.astype(np.float32) / max(float(image.max()), 1e-6)
    return np.asarray((scaled - MEAN) / STD, np.float32)


def standard(pixels: Any) -> Any:
    """The same of a batch of pixels as a tensor."""
    whole = ops.cast(pixels, "float32")
    bright = ops.maximum(ops.max(whole, axis=(1, 2, 3), keepdims=True), 1e-6)
    return (whole / bright - ops.convert_to_tensor(MEAN)) / ops.convert_to_tensor(STD)


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


def drawn(rng: np.random.Generator, groups: list[list[Pair]], others: list[Pixels], stage: Stage) -> Batch:
    """Pictures and masks, 0 or 255; every group (animals, people) gets an equal share."""
    images, masks = [], []
    for number in range(stage.batch):
        pairs = groups[number % len(groups)]
        image, mask = pairs[int(rng.integers(len(pairs)))]
        behind = others[int(rng.integers(len(others)))] if others and rng.random() < 0.2 else None
        made, cut = draw(rng, image, mask, behind, stage.size)
        images.append(made)
        masks.append(cut)
    return augment.stacked(images), augment.stacked(masks)


def loss(logits: Any, mask: Any) -> Any:
    """Cross entropy and soft overlap."""
    wanted = ops.cast(mask, "float32") / 255
    cross = ops.mean(ops.binary_crossentropy(wanted, logits, from_logits=True))
    chance = ops.sigmoid(logits)
    both = ops.sum(chance * wanted, axis=(1, 2, 3))
    total = ops.sum(chance + wanted, axis=(1, 2, 3))
    return cross + ops.mean(1 - (2 * both + 1) / (total + 1))


def material(place: Place, part: Part) -> dict[str, list[Pair]]:
    """Pairs of one part by group: our sets', or a user's."""
    if own(place.data):
        pairs = [(item, mask) for item, mask in masked(place.data) if item.part == part]
        return {"own pictures": [(item.pixels(), read_mask(mask)) for item, mask in pairs]}
    return {
        "animals": [(read_rgb(path), read_mask(mask)) for path, mask in animal_masks(place.data, part)],
        "people": [(item.pixels(), person_mask(item)) for item in people(place.data, part)],
    }


def backgrounds(place: Place) -> list[Pixels]:
    """Pictures to put behind some of the others; a user's folder has none."""
    sets = {"noncat_caltech101", "imagenet_sample1000"}
    empty = [] if own(place.data) else without_cats(place.data, "train")
    return decoded((item for item in empty if item.dataset in sets), 160)


def train(place: Place, budget: Budget) -> None:
    """Write `matte.weights.h5`."""
    groups, others = material(place, "train"), backgrounds(place)
    log.info("%s, %d backgrounds", {name: len(pairs) for name, pairs in groups.items()}, len(others))
    lesson = Lesson(
        recipe="matte",
        at_size=lambda size, former: networks.copied(build(size, place.body), former),
        draw=lambda rng, stage: drawn(rng, list(groups.values()), others, stage),
        loss=loss,
        stages=STAGES,
        scale=standard,
    )
    learn(lesson, place, budget)


def serving(place: Place) -> Served:
    """The trained network with chances for a mask."""
    model = build()
    model.load_weights(str(place.weights("matte")))

    def call(image: Any) -> dict[str, Any]:
        return {"mask": ops.sigmoid(model(image, training=False))}

    return Served(place.out / "background.onnx", SIZE, ("mask",), call)


def score(place: Place) -> None:
    """Note the scores on people never trained on; of animals only the agreement with their teacher."""
    place.note("matte", "background", measured(place, "background", {}))


def measured(place: Place, name: str, _note: Mapping[str, Any]) -> list[Metric]:
    """The figures of the file in `place.out`."""
    file, groups = place.out / f"{name}.onnx", material(place, "test")
    return [Metric.mean(f"IoU, {group}", overlaps(file, groups[group]), ON[group]) for group in ON if group in groups]


def overlaps(file: Path, pairs: list[Pair]) -> list[float]:
    """IoU of each pair at the picture's own size."""
    found = []
    for first in range(0, len(pairs), 64):
        block = pairs[first : first + 64]
        inputs = np.stack([normalised(augment.squash(image, SIZE)) for image, _ in block])
        for cut, (_, mask) in zip(served.run(file, inputs, ("mask",))[0], block, strict=True):
            full = cv2.resize(cut[:, :, 0], (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_LINEAR)
            found.append(mask_iou(np.asarray(full), mask / 255))
    return found
