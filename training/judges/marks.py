"""Truth and answer drawn on a picture, for people. Truth is light blue, the answer orange."""

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np

from pipeline.imaging.render import TONES
from training.data import Floats, Pixels, as_pixels

SIDE: Final = 300
"""Longest side of what is drawn on, in pixels."""
TRUTH: Final = TONES["plain"]
ANSWER: Final = TONES["bad"]
RIM: Final = (20, 20, 20)


def fitted(image: Pixels) -> tuple[Pixels, float]:
    """A copy whose longest side is `SIDE`, and its scale."""
    scale = SIDE / max(image.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return as_pixels(cv2.resize(image, None, fx=scale, fy=scale, interpolation=way)), scale


def boxes(image: Pixels, truths: Sequence[Floats], answers: Sequence[Floats]) -> Pixels:
    """Boxes as centre and sides, in pixels of the picture."""
    canvas, scale = fitted(image)
    for found, colour in ((truths, TRUTH), (answers, ANSWER)):
        for cx, cy, w, h in found:
            low, high = (rounded(np.array([cx + k * w / 2, cy + k * h / 2]) * scale) for k in (-1, 1))
            cv2.rectangle(canvas, low, high, RIM, 4, cv2.LINE_AA)
            cv2.rectangle(canvas, low, high, colour, 2, cv2.LINE_AA)
    return canvas


def points(image: Pixels, truths: Floats | None, answers: Floats) -> Pixels:
    """True points as rings, the answer's as dots, joined; [K,2] in pixels of the picture."""
    canvas, scale = fitted(image)
    for k, where in enumerate(answers):
        at = rounded(where * scale)
        if truths is not None:
            true = rounded(truths[k] * scale)
            cv2.line(canvas, true, at, ANSWER, 1, cv2.LINE_AA)
            cv2.circle(canvas, true, 6, RIM, 3, cv2.LINE_AA)
            cv2.circle(canvas, true, 6, TRUTH, 2, cv2.LINE_AA)
        cv2.circle(canvas, at, 4, RIM, -1, cv2.LINE_AA)
        cv2.circle(canvas, at, 3, ANSWER, -1, cv2.LINE_AA)
    return canvas


def mask(image: Pixels, truth: Pixels, answer: Floats) -> Pixels:
    """What the answer takes away is dimmed; true outline in blue, the answer's in orange. Masks [H,W], 0..255 and 0..1."""
    canvas, _ = fitted(image)
    size = (canvas.shape[1], canvas.shape[0])
    kept = np.asarray(cv2.resize(answer, size, interpolation=cv2.INTER_LINEAR))
    canvas = as_pixels(canvas * (0.3 + 0.7 * np.clip(kept, 0, 1))[..., None])
    true = cv2.resize(truth, size, interpolation=cv2.INTER_LINEAR) > 127
    for one, colour in ((true, TRUTH), (kept >= 0.5, ANSWER)):
        outline, _ = cv2.findContours(one.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(canvas, outline, -1, colour, 2, cv2.LINE_AA)
    return canvas


def beside(left: Pixels, right: Pixels) -> Pixels:
    """Two squares of one size, side by side."""
    gap = np.full((left.shape[0], 6, 3), 255, np.uint8)
    return fitted(as_pixels(np.concatenate([left, gap, right], axis=1)))[0]


def rounded(where: Any) -> tuple[int, int]:
    """Pixels, whole."""
    return round(float(where[0])), round(float(where[1]))
