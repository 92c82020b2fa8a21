"""What a face has whatever its skin is like: eyes, brows, lips; and what means nothing: moles, freckles, make-up, light.

All of it is painted on pictures of every class, so that paint alone, a dark dot or a red place is not the answer.
"""

from typing import Final

import cv2
import numpy as np

from training.data import Floats
from training.lesions import noise, shade
from training.portraits import Canvas
from training.skin_paint import CHEEKS, DARKER, Painter, blob, dots, over, places, share, times, zone


def features(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Eyes, brows, nostrils and lips where they belong, because the enlarged ones are a blur."""
    size, unit = face.size, face.half[0] * face.size
    layers = {name: np.zeros((size, size), np.uint8) for name in ("dark", "white", "iris", "lips")}
    wide, thick = float(rng.uniform(0.16, 0.2)), max(1, round(float(rng.uniform(0.02, 0.045)) * unit))

    def ellipse(
        layer: str, at: tuple[float, float], axes: tuple[float, float], arc: tuple[int, int] | None = None
    ) -> None:
        x, y = (round(share * size) for share in face.at(*at))
        half = max(1, round(axes[0] * unit)), max(1, round(axes[1] * unit))
        start, end = arc or (0, 360)
        cv2.ellipse(layers[layer], (x, y), half, 0, start, end, 255, thick if arc else -1, cv2.LINE_AA)

    brow, opened = float(rng.uniform(-0.4, -0.32)), float(rng.uniform(0.04, 0.09))
    for side in (-0.4, 0.4):
        ellipse("dark", (side, brow + 0.06), (0.26, 0.1), (200, 340))
        ellipse("dark", (side, -0.17), (wide * 1.1, opened * 1.4))
        ellipse("white", (side, -0.17), (wide, opened))
        ellipse("iris", (side, -0.17), (opened * 1.1, opened * 1.1))
        ellipse("dark", (side * 0.25, 0.24), (0.04, 0.025))
    ellipse("lips", (0.0, 0.48), (float(rng.uniform(0.24, 0.34)), float(rng.uniform(0.06, 0.11))))
    ellipse("dark", (0.0, 0.46), (0.24, 0.03), (10, 170))
    soft = {name: share(layer, 0.012 * size) for name, layer in layers.items()}
    face = times(face, soft["lips"], (0.92, 0.6, 0.62), float(rng.uniform(0.3, 1.0)))
    face = times(face, soft["dark"], (0.28, 0.24, 0.24), float(rng.uniform(0.6, 1.0)))
    face = over(face, soft["white"], (226, 222, 220), 0.85)
    colours = ((60, 40, 28), (90, 110, 130), (90, 100, 70), (40, 28, 22))
    return over(face, soft["iris"], shade(rng, colours[int(rng.integers(4))], 10), 0.95)


def moles(rng: np.random.Generator, face: Canvas) -> Canvas:
    """A few round dark brown spots."""
    at = places(rng, face, int(rng.integers(1, 6)), 0.0)
    radii = np.asarray(face.half[0] * face.size * rng.uniform(0.02, 0.05, len(at)), np.float32)
    return times(face, dots(face, at, radii, 0.3), (0.5, 0.38, 0.32), float(rng.uniform(0.6, 1.0)))


def freckles(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Very many small light brown spots."""
    at = places(rng, face, int(rng.integers(60, 220)), 0.3)
    radii = np.asarray(face.half[0] * face.size * rng.uniform(0.008, 0.022, len(at)), np.float32)
    return times(face, dots(face, at, radii, 0.5), DARKER, float(rng.uniform(0.4, 0.9)))


def blush(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Rouge: an even soft tint of the cheeks alone."""
    mask = zone(face, CHEEKS, float(rng.uniform(0.3, 0.45)))
    return times(face, mask, (1.03, 0.8, 0.84), float(rng.uniform(0.3, 0.8)))


def powder(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Foundation: the skin's grain is smoothed."""
    smooth = cv2.GaussianBlur(face.image, (0, 0), 0.012 * face.size)
    much = face.skin[..., None] * float(rng.uniform(0.3, 0.8))
    return face.painted(face.image * (1 - much) + smooth * much)


def glare(rng: np.random.Generator, face: Canvas) -> Canvas:
    """One or two smooth bright places, as of a lamp."""
    for _ in range(int(rng.integers(1, 3))):
        at = face.at(float(rng.uniform(-0.6, 0.6)), float(rng.uniform(-0.7, 0.5)))
        mask = blob(rng, face, at, face.half[0] * float(rng.uniform(0.15, 0.4)), 1.0)
        face = over(face, np.asarray(mask**2, np.float32), (255, 250, 242), float(rng.uniform(0.3, 0.8)))
    return face


def shadow(rng: np.random.Generator, face: Canvas) -> Canvas:
    """One side darker, with a soft or a sharp border."""
    y, x = np.mgrid[0 : face.size, 0 : face.size].astype(np.float32) / face.size - 0.5
    angle, width = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0.05, 0.7))
    side = np.clip((x * np.cos(angle) + y * np.sin(angle)) / width + float(rng.normal(0, 0.4)), 0, 1)
    return face.painted(face.image * (1 - float(rng.uniform(0.2, 0.55)) * side)[..., None])


def stubble(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Short dark hairs about chin and mouth."""
    hairs = np.clip((noise(rng, face.size, 0.006) - 0.4) * 1.5, 0, 1) * zone(
        face, ((0.0, 0.7), (-0.5, 0.6), (0.5, 0.6)), 0.5
    )
    return times(face, np.asarray(hairs, np.float32), (0.55, 0.52, 0.52), float(rng.uniform(0.3, 0.9)))


def stray_hair(rng: np.random.Generator, face: Canvas) -> Canvas:
    """A loose strand of hair across the face."""
    layer = np.zeros((face.size, face.size), np.uint8)
    begin = np.array(face.at(float(rng.uniform(-0.8, 0.8)), -0.9)) * face.size
    heading = np.pi / 2 + float(rng.normal(0, 0.4)) + np.cumsum(rng.normal(0, 0.08, 16))
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) * 0.11 * face.half[1] * face.size
    way = begin + np.cumsum(steps, axis=0)
    cv2.polylines(layer, [np.round(way * 8).astype(np.int32)], False, 255, 1, cv2.LINE_AA, 3)  # noqa: FBT003
    return times(face, share(layer), (0.4, 0.36, 0.34), float(rng.uniform(0.3, 0.8)))


HARMLESS: Final[tuple[tuple[Painter, float], ...]] = (
    (moles, 0.3), (freckles, 0.12), (blush, 0.2), (glare, 0.2), (shadow, 0.25), (stubble, 0.12), (stray_hair, 0.1), (powder, 0.15),
)  # fmt: skip
"""Painters with how often each is used."""


def lived_in(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Some harmless changes, the same in every class."""
    for painter, often in HARMLESS:
        if rng.random() < often:
            face = painter(rng, face)
    return face


def finished(rng: np.random.Generator, face: Canvas) -> Floats:
    """The picture as a camera would have it: of any sharpness, because sharp paint on a soft picture would tell."""
    sigma = float(rng.choice([0.0, rng.uniform(0.3, 1.3)])) * face.size / 224
    return np.asarray(cv2.GaussianBlur(face.image, (0, 0), sigma) if sigma > 0.2 else face.image, np.float32)
