"""Eyes drawn on a computer, whose pupil is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np


@dataclass(frozen=True)
class DrawnEye:
    """RGB pixels, and centre and radius of the pupil in them."""

    picture: Any
    x: float
    y: float
    radius: float


def drawn_eye(seed: int, size: tuple[int, int] = (300, 400), *, milky: bool = False) -> DrawnEye:
    """Skin, white, iris, pupil and a flash on it, with noise; ``milky`` pupils are grey in a darker iris."""
    rng, (height, width) = np.random.default_rng(seed), size
    picture = np.full((height, width, 3), (222, 180, 160), np.uint8)
    x, y = width * rng.uniform(0.4, 0.6), height * rng.uniform(0.4, 0.6)
    iris = rng.uniform(0.26, 0.34) * height
    radius = iris * rng.uniform(0.3, 0.55)
    axes = (int(width * 0.42), int(height * 0.36))
    cv2.ellipse(picture, (int(x), int(y)), axes, 0, 0, 360, (238, 234, 230), -1, cv2.LINE_AA)
    colour = tuple(int(value) for value in rng.integers(60, 140, 3))
    for size_of, fill in ((iris, colour), (radius, (190, 195, 190) if milky else (15, 15, 18))):
        cv2.circle(picture, (round(x * 16), round(y * 16)), round(size_of * 16), fill, -1, cv2.LINE_AA, 4)
    flash = (int(x + radius * 0.4), int(y - radius * 0.4))
    cv2.circle(picture, flash, max(2, int(radius * 0.2)), (255, 255, 255), -1)
    noisy = np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)
    return DrawnEye(noisy, x, y, radius)


def clouds(seed: int, size: tuple[int, int] = (300, 400)) -> Any:
    """Noise, blurred more or less: light and dark places without a rim."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), rng.uniform(1, 12))
    return cv2.normalize(blurred, np.empty_like(blurred), 0, 255, cv2.NORM_MINMAX)
