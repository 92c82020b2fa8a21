"""Painted skin: conditions, types, and what means nothing. No picture of a real condition was at hand.

Each painter takes a generator and a canvas and returns the painted canvas. They imitate what a lay eye sees, on skin of
every tone (colours are changed in proportion, not laid over), and are no model of any disease; the cards say so.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import cv2
import numpy as np

from training.data import Floats, Pixels
from training.lesions import Colour, noise
from training.portraits import Canvas

Painter: TypeAlias = Callable[[np.random.Generator, Canvas], Canvas]

CHEEKS: Final = ((-0.52, 0.18), (0.52, 0.18))
T_ZONE: Final = ((0.0, -0.6), (-0.25, -0.6), (0.25, -0.6), (0.0, -0.2), (0.0, 0.1), (0.0, 0.7))
REDDER: Final[Colour] = (1.04, 0.72, 0.72)
DARKER: Final[Colour] = (0.74, 0.64, 0.56)


def grey(face: Canvas) -> Floats:
    """How light it is, 0..255 [S,S,1]."""
    return np.asarray(cv2.cvtColor(face.image, cv2.COLOR_RGB2GRAY), np.float32)[..., None]


def times(face: Canvas, mask: Floats, factors: Colour, strength: float) -> Canvas:
    """Change colours in proportion where the mask (0..1) and skin are."""
    much = (mask * face.skin * strength)[..., None]
    return face.painted(face.image * (1 + much * (np.array(factors, np.float32) - 1)))


def over(face: Canvas, mask: Floats, colour: Colour, strength: float) -> Canvas:
    """Lay a colour over the skin, as bright as the light there lets it be."""
    much = (mask * face.skin * strength)[..., None]
    light = 0.55 + 0.45 * np.clip(grey(face) / 180, 0, 1)
    return face.painted(face.image * (1 - much) + np.array(colour, np.float32) * light * much)


def blob(rng: np.random.Generator, face: Canvas, at: tuple[float, float], radius: float, edge: float) -> Floats:
    """A ragged patch 0..1 [S,S]; place and radius as shares of the side, `edge` from 0.05 (sharp) to 1 (soft)."""
    size = face.size
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    stretch, angle = float(np.exp(rng.normal(0, 0.25))), float(rng.uniform(0, np.pi))
    dx, dy = x - at[0], y - at[1]
    u, v = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    reach = np.sqrt((u * stretch) ** 2 + (v / stretch) ** 2) / radius
    ragged = 0.2 * noise(rng, size, 0.08) + 0.08 * noise(rng, size, 0.025)
    return np.asarray(np.clip((1 + ragged - reach) / edge, 0, 1), np.float32)


def zone(face: Canvas, places: Sequence[tuple[float, float]], radius: float) -> Floats:
    """A soft area about places on the face, 0..1 [S,S]; radius as a share of the face's half width."""
    size = face.size
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    spread = (radius * face.half[0]) ** 2
    distance = [(x - face.at(*one)[0]) ** 2 + (y - face.at(*one)[1]) ** 2 for one in places]
    return np.asarray(np.exp(-np.min(distance, axis=0) / spread), np.float32)


def places(rng: np.random.Generator, face: Canvas, count: int, crowded: float) -> Floats:
    """Places on the skin in pixels, [count,2]; a share `crowded` of them near one of three middles."""
    rows, columns = np.nonzero(face.skin > 0.6)
    if not len(rows):
        return np.zeros((0, 2), np.float32)
    every = np.stack([columns, rows], axis=1).astype(np.float32)
    free = every[rng.integers(0, len(every), count)]
    middle = every[rng.integers(0, len(every), 3)][rng.integers(0, 3, count)]
    close = middle + rng.normal(0, 0.3 * face.half[0] * face.size, (count, 2))
    return np.asarray(np.where(rng.random((count, 1)) < crowded, close, free), np.float32)


def dots(face: Canvas, at: Floats, radii: Floats, blur: float) -> Floats:
    """Round spots 0..1 [S,S] at places in pixels; `blur` as a share of their mean radius."""
    layer = np.zeros((face.size, face.size), np.uint8)
    for (x, y), radius in zip(at, radii, strict=True):
        cv2.circle(layer, (round(x * 16), round(y * 16)), round(radius * 16), 255, -1, cv2.LINE_AA, 4)
    return share(layer, max(0.3, blur * float(radii.mean())) if len(radii) else 0.3)


def share(layer: Pixels, sigma: float = 0.0) -> Floats:
    """A drawn layer 0..255 as 0..1, blurred if asked; pixels."""
    soft = cv2.GaussianBlur(layer, (0, 0), sigma) if sigma else layer
    return np.asarray(np.asarray(soft, np.float32) * np.float32(1 / 255), np.float32)


def papules(rng: np.random.Generator, face: Canvas, count: int, ripe: float, largest: float = 1.0) -> Canvas:
    """Red bumps with a halo and a glint; a share `ripe` has a yellow head."""
    at = places(rng, face, count, float(rng.uniform(0.2, 0.8)))
    unit = face.half[0] * face.size
    radii = np.asarray(unit * largest * rng.uniform(0.035, 0.085, len(at)), np.float32)
    face = times(face, dots(face, at, radii * 1.9, 0.7), REDDER, float(rng.uniform(0.3, 0.7)))
    face = times(face, dots(face, at, radii, 0.45), (0.98, 0.6, 0.6), float(rng.uniform(0.5, 0.95)))
    heads = rng.random(len(at)) < ripe
    face = over(face, dots(face, at[heads], radii[heads] * 0.45, 0.5), (238, 222, 176), float(rng.uniform(0.4, 0.85)))
    glint = at - radii[:, None] * 0.35
    return over(face, dots(face, glint, radii * 0.25, 0.5), (255, 250, 246), float(rng.uniform(0.1, 0.5)))


def mild_acne(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Four to twelve bumps."""
    return papules(rng, face, int(rng.integers(4, 13)), 0.25)


def severe_acne(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Many bumps, ripe ones among them, on reddened skin with marks of old ones."""
    face = times(face, np.clip(0.6 + 0.4 * noise(rng, face.size, 0.1), 0, 1), REDDER, float(rng.uniform(0.1, 0.35)))
    old = places(rng, face, int(rng.integers(4, 20)), 0.3)
    radii = np.asarray(face.half[0] * face.size * rng.uniform(0.04, 0.08, len(old)), np.float32)
    face = times(face, dots(face, old, radii, 0.6), DARKER, float(rng.uniform(0.2, 0.5)))
    return papules(rng, face, int(rng.integers(28, 75)), 0.4, 1.2)


def acne(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Mild to severe."""
    return mild_acne(rng, face) if rng.random() < 0.5 else severe_acne(rng, face)


def spread(rng: np.random.Generator, face: Canvas, edge: tuple[float, float], most: int = 4) -> Floats:
    """One or several patches anywhere on the skin."""
    found = np.zeros((face.size, face.size), np.float32)
    for x, y in places(rng, face, int(rng.integers(1, most + 1)), 0.0) / face.size:
        radius = face.half[0] * float(rng.uniform(0.25, 0.6))
        found = np.maximum(found, blob(rng, face, (float(x), float(y)), radius, float(rng.uniform(*edge))))
    return found


def eczema(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Dull red patches that end nowhere, rough, with fine cracks and some weeping dots."""
    mask = spread(rng, face, (0.5, 1.0))
    face = times(face, mask, (1.0, 0.66, 0.64), float(rng.uniform(0.5, 0.95)))
    rough = np.clip(noise(rng, face.size, 0.012) * 0.7, -1, 1) * mask
    face = face.painted(face.image * (1 + 0.13 * rough * face.skin)[..., None])
    cracks = np.exp(-((noise(rng, face.size, 0.03) / 0.12) ** 2)) * mask
    return over(face, np.asarray(cracks, np.float32), (216, 190, 176), float(rng.uniform(0.1, 0.4)))


def psoriasis(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Plaques with a clear edge, deep red, silvery scales on them."""
    mask = spread(rng, face, (0.08, 0.2))
    face = times(face, mask, (0.92, 0.52, 0.52), float(rng.uniform(0.7, 1.0)))
    inner = cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=max(1, face.size // 100))
    flaky = np.clip(noise(rng, face.size, float(rng.uniform(0.006, 0.014))) * 0.7 + 0.45, 0, 1)
    return over(face, np.asarray(inner * flaky, np.float32), (232, 226, 223), float(rng.uniform(0.5, 0.85)))


def vessels(rng: np.random.Generator, face: Canvas, count: int, strength: float) -> Canvas:
    """Fine red lines that wander over cheeks and nose."""
    unit, lines = face.half[0] * face.size, []
    middles = (*CHEEKS, (0.0, 0.15))
    for _ in range(count):
        middle = np.array(face.at(*middles[int(rng.integers(3))])) * face.size + rng.normal(0, 0.25 * unit, 2)
        heading = float(rng.uniform(0, 2 * np.pi)) + np.cumsum(rng.normal(0, 0.5, 9))
        way = np.stack([np.cos(heading), np.sin(heading)], axis=1).cumsum(axis=0) * 0.05 * unit
        lines.append(np.round((middle + way) * 8).astype(np.int32))
    layer = np.zeros((face.size, face.size), np.uint8)
    cv2.polylines(layer, lines, False, 255, 1, cv2.LINE_AA, 3)  # noqa: FBT003
    return times(face, share(layer), (0.95, 0.55, 0.58), strength)


def rosacea(rng: np.random.Generator, face: Canvas) -> Canvas:
    """A flush of cheeks, nose and sometimes chin, with vessels and at times a few small bumps."""
    where = (*CHEEKS, (0.0, 0.15), *(((0.0, 0.75),) if rng.random() < 0.4 else ()))
    mask = zone(face, where, float(rng.uniform(0.4, 0.6))) * np.clip(0.85 + 0.25 * noise(rng, face.size, 0.05), 0, 1)
    face = times(face, mask, (1.03, 0.58, 0.6), float(rng.uniform(0.55, 0.95)))
    face = vessels(rng, face, int(rng.integers(8, 26)), float(rng.uniform(0.4, 0.9)))
    return papules(rng, face, int(rng.integers(2, 7)), 0.1, 0.7) if rng.random() < 0.3 else face


def pigmentation(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Brown patches, alike on both sides, and larger uneven spots."""
    if rng.random() < 0.65:
        u, v = float(rng.uniform(0.35, 0.6)), float(rng.choice([-0.55, 0.1, 0.3]))
        for side in (-1, 1):
            radius = face.half[0] * float(rng.uniform(0.3, 0.5))
            mask = blob(rng, face, face.at(side * u, v), radius, float(rng.uniform(0.25, 0.6)))
            face = times(face, mask, DARKER, float(rng.uniform(0.5, 0.9)))
        if rng.random() < 0.5:
            return face
    at = places(rng, face, int(rng.integers(6, 26)), 0.4)
    radii = np.asarray(face.half[0] * face.size * rng.uniform(0.04, 0.13, len(at)), np.float32)
    mask = dots(face, at, radii, 0.35) * np.clip(0.8 + 0.3 * noise(rng, face.size, 0.02), 0, 1)
    return times(face, np.asarray(mask, np.float32), DARKER, float(rng.uniform(0.55, 0.95)))


def flakes(rng: np.random.Generator, face: Canvas, where: Floats) -> Canvas:
    """Dry: dull, with fine pale scales and a net of fine lines."""
    dull = (where * face.skin * float(rng.uniform(0.2, 0.45)))[..., None]
    face = face.painted(face.image * (1 - dull) + (grey(face) + 10) * dull)
    net = np.exp(-((noise(rng, face.size, 0.018) / 0.12) ** 2)) * where
    face = times(face, np.asarray(net, np.float32), (0.84, 0.82, 0.81), float(rng.uniform(0.4, 0.9)))
    uneven = np.clip(0.5 + 0.6 * noise(rng, face.size, 0.08), 0, 1) * where
    scales = np.clip((noise(rng, face.size, 0.006) - 0.5) * 1.5, 0, 1) * uneven
    return over(face, np.asarray(scales, np.float32), (238, 228, 220), float(rng.uniform(0.4, 0.75)))


def gloss(rng: np.random.Generator, face: Canvas, where: Floats) -> Canvas:
    """Oily: smooth bright shine with a hot middle, broken up a little by the skin's grain, and pores."""
    broad = np.clip(where * (1 + 0.35 * noise(rng, face.size, 0.07)) - 0.3, 0, 1)
    face = over(face, np.asarray(broad, np.float32), (255, 248, 240), float(rng.uniform(0.2, 0.45)))
    hot = np.clip((where * (1 + 0.4 * noise(rng, face.size, 0.03)) - 0.75) * 2.5, 0, 1)
    face = over(face, np.asarray(hot, np.float32), (255, 253, 250), float(rng.uniform(0.35, 0.75)))
    pores = np.clip((noise(rng, face.size, 0.004) - 1.1) * 1.5, 0, 1) * where
    return times(face, np.asarray(pores, np.float32), (0.7, 0.64, 0.62), float(rng.uniform(0.4, 0.8)))


def whole(face: Canvas) -> Floats:
    """Everywhere."""
    return np.ones((face.size, face.size), np.float32)


def oily(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Shine on the middle and on the cheeks."""
    return gloss(rng, face, zone(face, (*T_ZONE, *CHEEKS, (-0.5, 0.5), (0.5, 0.5)), float(rng.uniform(0.45, 0.65))))


def dry(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Scales all over."""
    return flakes(rng, face, whole(face))


def combination(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Shine on forehead, nose and chin, dry beside them."""
    middle = zone(face, T_ZONE, float(rng.uniform(0.32, 0.42)))
    return gloss(rng, flakes(rng, face, np.asarray(np.clip(1 - 1.8 * middle, 0, 1), np.float32)), middle)


def sensitive(rng: np.random.Generator, face: Canvas) -> Canvas:
    """A blotchy blush without edges, a few vessels."""
    blotches = np.clip(0.45 + 0.55 * noise(rng, face.size, 0.07), 0, 1) * zone(face, (*CHEEKS, (0.0, 0.1)), 0.9)
    face = times(face, np.asarray(blotches, np.float32), (1.03, 0.74, 0.76), float(rng.uniform(0.5, 0.9)))
    return vessels(rng, face, int(rng.integers(2, 9)), float(rng.uniform(0.3, 0.6)))


def plain(_: np.random.Generator, face: Canvas) -> Canvas:
    """Nothing."""
    return face


TYPES: Final[Mapping[str, Painter]] = {
    "normal": plain,
    "dry": dry,
    "oily": oily,
    "combination": combination,
    "sensitive": sensitive,
}
CONDITIONS: Final[Mapping[str, Painter]] = {
    "healthy": plain,
    "mild_acne": mild_acne,
    "severe_acne": severe_acne,
    "eczema": eczema,
    "psoriasis": psoriasis,
}
FINDINGS: Final[Mapping[str, Painter]] = {
    "normal": plain,
    "acne": acne,
    "rosacea": rosacea,
    "eczema": eczema,
    "pigmentation": pigmentation,
}
