"""What a cataract model must look through, as one list: each picture it learns from is changed by some of these."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np

from training.augment import squash
from training.data import Pixels, as_pixels
from training.eyes import FILLS

Make: TypeAlias = Callable[[np.random.Generator, Pixels], Pixels]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a picture [H,W,3], and in what share of all views it is made."""

    name: str
    share: float
    make: Make


def cropped(rng: np.random.Generator, image: Pixels) -> Pixels:
    """The eye without much of the borders, which tell too much: 0.5 to 0.85 of each side, about the middle."""
    height, width = image.shape[:2]
    tall, wide = (max(8, int(length * rng.uniform(0.5, 0.85))) for length in (height, width))
    y, x = (
        int(np.clip((length - kept) / 2 + length * rng.uniform(-0.07, 0.07), 0, length - kept))
        for length, kept in ((height, tall), (width, wide))
    )
    return image[y : y + tall, x : x + wide]


def rotated(rng: np.random.Generator, image: Pixels) -> Pixels:
    """Turned by up to 30 degrees about its middle; what comes in from outside is of any kind."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.uniform(-30, 30)), 1.0)
    fill = float(255 if rng.random() < 0.4 else rng.integers(0, 256))
    border = int(rng.choice(FILLS))
    return as_pixels(cv2.warpAffine(image, matrix, (width, height), borderMode=border, borderValue=(fill, fill, fill)))


def flipped(_: np.random.Generator, image: Pixels) -> Pixels:
    """Left for right."""
    return as_pixels(image[:, ::-1])


def lit(rng: np.random.Generator, image: Pixels) -> Pixels:
    """Contrast times 0.65 to 1.4 about mid grey, brightness up to 40 levels more or less."""
    gain, more = rng.uniform(0.65, 1.4), rng.uniform(-40, 40)
    return as_pixels(np.clip((image.astype(np.float32) - 128) * gain + 128 + more, 0, 255))


def blurred(rng: np.random.Generator, image: Pixels) -> Pixels:
    """Out of focus: a Gaussian of 0.5 to 2 pixels."""
    return as_pixels(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 2.0))))


def moved(rng: np.random.Generator, image: Pixels) -> Pixels:
    """Moved while it was taken: the mean along a line of 3 to 11 pixels in any direction."""
    length, angle = int(rng.integers(1, 6)) * 2 + 1, rng.uniform(0, np.pi)
    kernel, middle = np.zeros((length, length), np.float32), length // 2
    x, y = round(middle * np.cos(angle)), round(middle * np.sin(angle))
    cv2.line(kernel, (middle - x, middle - y), (middle + x, middle + y), 1.0)
    return as_pixels(cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE))


CHANGES: Final = (
    Change("tight crop", 0.5, cropped),
    Change("rotation", 0.8, rotated),
    Change("horizontal flip", 0.5, flipped),
    Change("brightness and contrast", 0.8, lit),
    Change("gaussian blur", 0.2, blurred),
    Change("motion blur", 0.2, moved),
)
"""In the order in which they are made."""


def changed(rng: np.random.Generator, image: Pixels, size: int) -> Pixels:
    """A view of a picture, [size,size,3]; the same generator gives the same."""
    for change in CHANGES:
        if rng.random() < change.share:
            image = change.make(rng, image)
    return squash(image, size)
