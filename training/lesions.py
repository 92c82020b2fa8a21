"""Painted lesions, and harmless changes that are not: the only 'abnormal' pictures there are.

Each procedure takes an RGB crop [S,S,3] with the landmark in its middle and returns a changed copy.
They imitate what a lay eye sees (redness, discharge, clouding, swelling, crusts, wounds); they are
no model of any disease, and the cards say so.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final, TypeAlias

import cv2
import numpy as np

from training.data import Floats, Pixels, as_pixels

Painter: TypeAlias = Callable[[np.random.Generator, Pixels], Pixels]
Colour: TypeAlias = tuple[float, float, float]


def noise(rng: np.random.Generator, size: int, grain: float) -> Floats:
    """Smooth noise [S,S] with zero mean and unit deviation; `grain` is its scale as a share of the side."""
    cells = max(3, min(size, round(0.6 / grain)))
    coarse = rng.normal(size=(cells, cells)).astype(np.float32)
    field = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray((field - field.mean()) / (field.std() + 1e-6), np.float32)


def patch(rng: np.random.Generator, size: int, at: tuple[float, float], radius: float, ragged: float = 0.25) -> Floats:
    """A soft ragged spot 0..1, [S,S]; place and radius as shares of the side."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    stretch, angle = float(np.exp(rng.normal(0, 0.25))), float(rng.uniform(0, np.pi))
    dx, dy = x - at[0], y - at[1]
    u, v = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    reach = np.sqrt((u * stretch) ** 2 + (v / stretch) ** 2) / radius
    edge = float(rng.uniform(0.25, 0.8))
    return np.asarray(np.clip((1 + ragged * noise(rng, size, 0.05) - reach) / edge, 0, 1), np.float32)


def near(rng: np.random.Generator, spread: float, at: tuple[float, float] = (0.5, 0.5)) -> tuple[float, float]:
    """A place around `at`, shares of the side."""
    return at[0] + float(rng.normal(0, spread)), at[1] + float(rng.normal(0, spread))


def tint(image: Pixels, mask: Floats, colour: Colour, strength: float) -> Pixels:
    """Stain: take on a colour, keep most of the light and dark underneath."""
    base = image.astype(np.float32)
    light = base.mean(axis=2, keepdims=True) / 255
    stained = np.array(colour, np.float32) * (0.45 + 0.9 * light)
    share = (mask * strength)[..., None]
    return as_pixels(np.clip(base * (1 - share) + stained * share, 0, 255))


def cover(image: Pixels, mask: Floats, colour: Colour, strength: float) -> Pixels:
    """Opaque matter on top."""
    share = (mask * strength)[..., None]
    return as_pixels(np.clip(image * (1 - share) + np.array(colour, np.float32) * share, 0, 255))


def shade(rng: np.random.Generator, colour: Colour, spread: float = 18.0) -> Colour:
    """A colour nearby."""
    red, green, blue = np.clip(np.array(colour) + rng.normal(0, spread, 3), 0, 255)
    return float(red), float(green), float(blue)


def redness(rng: np.random.Generator, image: Pixels) -> Pixels:
    """An inflamed ring or field about the middle."""
    size = len(image)
    at = near(rng, 0.06)
    mask = patch(rng, size, at, float(rng.uniform(0.2, 0.38)))
    if rng.random() < 0.5:
        mask = mask * (1 - patch(rng, size, at, float(rng.uniform(0.1, 0.17)), 0.1))
    return tint(image, mask, shade(rng, (205, 75, 75)), float(rng.uniform(0.45, 0.85)))


def discharge(rng: np.random.Generator, image: Pixels) -> Pixels:
    """A wet or dried streak running down from near the middle."""
    size = len(image)
    side = float(rng.choice([-1, 1]))
    x, y = 0.5 + side * float(rng.uniform(0.02, 0.22)), 0.5 + float(rng.uniform(0.02, 0.12))
    line = [(x, y)]
    for _ in range(int(rng.integers(4, 8))):
        x, y = x + float(rng.normal(0.0, 0.025)), y + float(rng.uniform(0.03, 0.07))
        line.append((x, y))
    mask = np.zeros((size, size), np.float32)
    for (x0, y0), (x1, y1) in pairwise(line):
        ends = (int(x0 * size), int(y0 * size)), (int(x1 * size), int(y1 * size))
        cv2.line(mask, *ends, 1.0, max(2, int(rng.uniform(0.03, 0.09) * size)))
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.018 * size), np.float32)
    colours: tuple[Colour, ...] = ((205, 195, 105), (120, 75, 45), (170, 180, 110), (95, 45, 35))
    colour = shade(rng, colours[int(rng.integers(len(colours)))])
    return cover(image, np.clip(mask * (1 + 0.3 * noise(rng, size, 0.02)), 0, 1), colour, float(rng.uniform(0.55, 0.9)))


def opacity(rng: np.random.Generator, image: Pixels) -> Pixels:
    """A milky veil over the eye."""
    mask = patch(rng, len(image), near(rng, 0.03), float(rng.uniform(0.13, 0.24)), 0.15)
    return cover(image, mask, shade(rng, (205, 212, 222), 12), float(rng.uniform(0.5, 0.85)))


def swelling(rng: np.random.Generator, image: Pixels) -> Pixels:
    """A bulge, slightly pink."""
    size = len(image)
    at, radius = near(rng, 0.1), float(rng.uniform(0.22, 0.36))
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    dx, dy = x - at[0], y - at[1]
    inside = np.clip(1 - np.sqrt(dx**2 + dy**2) / radius, 0, 1)
    pull = 1 - float(rng.uniform(0.4, 0.7)) * inside
    bulged = cv2.remap(image, (at[0] + dx * pull) * size, (at[1] + dy * pull) * size, cv2.INTER_LINEAR)
    return tint(
        as_pixels(bulged),
        patch(rng, size, at, radius * 0.8),
        shade(rng, (220, 120, 120)),
        float(rng.uniform(0.3, 0.55)),
    )


def crust(rng: np.random.Generator, image: Pixels) -> Pixels:
    """Flaky brown or grey scabs in a cluster."""
    size = len(image)
    cluster = patch(rng, size, near(rng, 0.12), float(rng.uniform(0.16, 0.3)))
    flakes = np.clip(noise(rng, size, float(rng.uniform(0.012, 0.03))) * 1.5, 0, 1)
    colours: tuple[Colour, ...] = ((110, 70, 45), (150, 125, 95), (75, 45, 35), (190, 175, 150))
    return cover(
        image, cluster * flakes, shade(rng, colours[int(rng.integers(len(colours)))]), float(rng.uniform(0.7, 0.95))
    )


def wound(rng: np.random.Generator, image: Pixels) -> Pixels:
    """A raw spot with a dark middle, or scratches."""
    size = len(image)
    at = near(rng, 0.12)
    if rng.random() < 0.5:
        radius = float(rng.uniform(0.08, 0.18))
        raw = tint(image, patch(rng, size, at, radius), shade(rng, (200, 45, 45)), float(rng.uniform(0.7, 0.95)))
        return cover(
            raw, patch(rng, size, at, radius * 0.5), shade(rng, (90, 15, 20), 10), float(rng.uniform(0.5, 0.9))
        )
    mask, slope = np.zeros((size, size), np.float32), float(rng.uniform(0, 2 * np.pi))
    for _ in range(int(rng.integers(2, 5))):
        x, y = near(rng, 0.06, at)
        reach = float(rng.uniform(0.12, 0.26))
        ends = [
            (int((x + s * reach * np.cos(slope)) * size), int((y + s * reach * np.sin(slope)) * size)) for s in (-1, 1)
        ]
        cv2.line(mask, ends[0], ends[1], 1.0, max(2, int(rng.uniform(0.012, 0.035) * size)))
    soft = np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.006 * size), np.float32)
    return cover(image, soft, shade(rng, (165, 25, 30)), float(rng.uniform(0.65, 0.95)))


def bald(rng: np.random.Generator, image: Pixels) -> Pixels:
    """A hairless pink patch: the fur's texture goes."""
    size = len(image)
    mask = patch(rng, size, near(rng, 0.12), float(rng.uniform(0.15, 0.28)))
    smooth = as_pixels(cv2.GaussianBlur(image, (0, 0), 0.04 * size))
    flat = as_pixels(image * (1 - mask[..., None]) + smooth * mask[..., None])
    return tint(flat, mask, shade(rng, (226, 160, 150)), float(rng.uniform(0.55, 0.85)))


PAINTERS: Final[Mapping[str, tuple[Painter, ...]]] = {
    "eye": (redness, discharge, opacity, swelling, crust),
    "ear": (redness, crust, wound, bald, discharge, swelling),
    "mouth": (redness, wound, swelling, crust, discharge),
}
"""What may happen to each kind of area."""


def spoil(rng: np.random.Generator, image: Pixels, kind: str) -> Pixels:
    """One or two random lesions of a kind of area."""
    painters = PAINTERS[kind]
    for _ in range(1 + int(rng.random() < 0.3)):
        image = painters[int(rng.integers(len(painters)))](rng, image)
    return image


def harmless(rng: np.random.Generator, image: Pixels) -> Pixels:
    """A change that means nothing: a fur-coloured patch, a dark bar, a glint."""
    size, chance = len(image), rng.random()
    if chance < 0.5:
        furs: tuple[Colour, ...] = ((25, 22, 20), (235, 230, 225), (190, 130, 70), (120, 115, 110))
        colour = shade(rng, furs[int(rng.integers(len(furs)))])
        far = (float(rng.choice([0.08, 0.92])), float(rng.uniform(0, 1)))
        return tint(image, patch(rng, size, far, float(rng.uniform(0.15, 0.35))), colour, float(rng.uniform(0.4, 0.8)))
    if chance < 0.75:
        changed, x = image.copy(), int(rng.uniform(0, size))
        cv2.line(
            changed,
            (x, 0),
            (x + int(rng.normal(0, 0.2) * size), size),
            shade(rng, (110, 110, 110), 50),
            max(2, size // 25),
        )
        return changed
    glint = patch(rng, size, near(rng, 0.15), float(rng.uniform(0.02, 0.05)), 0.1)
    return cover(image, glint, (255, 255, 255), 0.9)
