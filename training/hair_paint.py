"""Drawn hair of four kinds in the place and the colours of real hair: strands straight, wavy, curly or coily.

Strands grow from the crown, fall, and swing about their way: a wave's length and width make the kind. Volume differs
in all kinds, so that the outline alone is not the answer. No picture here shows hair of a known type.
"""

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np

from training.data import Floats
from training.lesions import noise
from training.portraits import Canvas

STEPS: Final = 56
LIGHTS: Final = 7
"""Shades of strands."""


@dataclass(frozen=True, slots=True)
class Strand:
    """Ranges for a kind of hair, lengths as shares of the picture's side."""

    wave: tuple[float, float]
    """Length of a wave along the strand."""
    width: tuple[float, float]
    """How far it swings, as a share of the wave's length."""
    loop: float
    """How far it runs back on itself, as a share of the swing."""
    length: float
    """Of the whole strand."""
    astray: float
    """Deviation of directions, radians."""
    volume: tuple[float, float]
    """Growth of the outline."""
    thick: float
    """A strand's width."""
    dense: float
    """Strands for each pixel of the side on a picture full of hair."""


KINDS: Final = {
    "straight": Strand((0.5, 1.0), (0.0, 0.02), 0.0, 0.5, 0.05, (0.0, 0.03), 0.005, 6.0),
    "wavy": Strand((0.15, 0.22), (0.14, 0.2), 0.0, 0.5, 0.06, (0.0, 0.045), 0.009, 4.0),
    "curly": Strand((0.085, 0.12), (0.4, 0.55), 0.9, 0.4, 0.12, (0.01, 0.07), 0.009, 2.6),
    "coily": Strand((0.03, 0.045), (0.5, 0.8), 1.0, 0.1, 1.5, (0.015, 0.09), 0.005, 12.0),
}


def styled(rng: np.random.Generator, face: Canvas, kind: str) -> Canvas:
    """The same head with its hair drawn anew as one of `KINDS`."""
    how, size = KINDS[kind], face.size
    region = outline(rng, face, float(rng.uniform(*how.volume)), rough=kind in ("curly", "coily"))
    if float(region.max()) < 0.5:
        return face
    count = int(np.clip(float((region > 0.5).mean()) * size * how.dense, 50, 1200))
    light = drawn(ways(rng, face, region, how, count), rng, size, how.thick)
    own = face.hair[..., None]
    colour = np.tensordot(face.hair, face.image, 2) / max(float(own.sum()), 1e-3)
    under = face.image * own + colour * (1 - own)
    under = 0.5 * under + 0.5 * colour
    gloss = np.maximum(light - 1, 0) * float(rng.uniform(50, 110))
    hair = under * light[..., None] + gloss[..., None]
    mixed = np.asarray(face.image * (1 - region[..., None]) + hair * region[..., None], np.float32)
    return replace(face.painted(mixed), hair=region)


def outline(rng: np.random.Generator, face: Canvas, growth: float, *, rough: bool) -> Floats:
    """Where hair is drawn, 0..1 [S,S]: the real place, grown outwards, lumpy if rough; never over the face."""
    size = face.size
    reach = max(1, round(growth * size))
    grown = cv2.dilate(face.hair, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1)))
    soft = cv2.GaussianBlur(grown, (0, 0), 0.012 * size)
    lumps = noise(rng, size, float(rng.uniform(0.03, 0.06))) * (0.18 if rough else 0.05)
    free = 1 - cv2.erode(face.skin, np.ones((5, 5), np.uint8))
    return np.asarray(np.clip((soft + lumps * (soft > 0.05) - 0.4) / 0.25, 0, 1) * free, np.float32)


def ways(rng: np.random.Generator, face: Canvas, region: Floats, how: Strand, count: int) -> Floats:
    """Points of the strands in pixels, [count, STEPS, 2]."""
    size = face.size
    rows, columns = np.nonzero(region > 0.4)
    chosen = rng.integers(0, len(rows), count)
    start = np.stack([columns[chosen], rows[chosen]], axis=1) / size
    crown = np.array(face.at(float(rng.normal(0, 0.35)), -1.15))
    away = start - crown
    away /= np.linalg.norm(away, axis=1, keepdims=True) + 1e-3
    turn = rng.normal(0, how.astray, count)
    cos, sin = np.cos(turn), np.sin(turn)
    away = np.stack([away[:, 0] * cos - away[:, 1] * sin, away[:, 0] * sin + away[:, 1] * cos], axis=1)
    step = how.length / STEPS
    fall = np.linspace(0, 1, STEPS)[None, :, None] * (0.0 if how.astray > 1 else 1.6)
    heading = away[:, None] + fall * np.array([0.0, 1.0])
    heading /= np.linalg.norm(heading, axis=2, keepdims=True) + 1e-6
    line = start[:, None] + np.cumsum(heading * step, axis=1) - heading * step * STEPS / 3
    lock = np.floor(
        np.arctan2(away[:, 1], away[:, 0]) * float(rng.uniform(3, 6)) + (3 * start[:, 1] if how.loop else 0)
    )
    wave = float(rng.uniform(*how.wave)) * (1 + 0.18 * np.sin(lock * 5.1))[:, None]
    swing = wave * float(rng.uniform(*how.width))
    begin = (lock * 2.4 + np.linalg.norm(start - crown, axis=1) / wave[:, 0] * 2 * np.pi)[:, None]
    angle = begin + rng.normal(0, 0.25, (count, 1)) + 2 * np.pi * np.arange(STEPS)[None] * step / wave
    across = np.stack([-heading[..., 1], heading[..., 0]], axis=2)
    line = line + across * (swing * np.sin(angle))[..., None]
    line = line + heading * (how.loop * swing * np.cos(angle))[..., None]
    return np.asarray(line * size, np.float32)


def drawn(lines: Floats, rng: np.random.Generator, size: int, width: float) -> Floats:
    """How light the hair is, about 1, [S,S]: strands in some shades over darker ground."""
    layer = np.full((size, size), 84, np.uint8)
    groups = np.sort(rng.integers(0, LIGHTS, len(lines)))
    order = rng.permutation(LIGHTS)
    thick = max(1, round(width * size))
    for group in order:
        points = np.round(lines[groups == group] * 8).astype(np.int32)
        cv2.polylines(layer, list(points), False, int(66 + 20 * group), thick, cv2.LINE_AA, 3)  # noqa: FBT003
    soft = cv2.GaussianBlur(layer, (0, 0), float(rng.uniform(0.25, 0.5)) * size / 160)
    return np.asarray(soft.astype(np.float32) / 118 * (1 + 0.12 * noise(rng, size, 0.15)), np.float32)
