"""Classic measures on a patch of skin: tone, texture, lines, dark circles. No network. ``docs/skin_measures.md``.

A patch is RGBA uint8 (h, w, 4) in sRGB; what alpha leaves out is not looked at. Lengths are told in distances between
the eyes (``eyes``: that distance in pixels of the patch), so the picture's size does not count. Lightness is CIELAB's L*,
0..100, under D65. Every measure takes the camera's colours and the light as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.uint8]
    Floats: TypeAlias = NDArray[np.float32]
    Mask: TypeAlias = NDArray[np.bool_]

LEAST_PIXELS: Final = 100
"""Of skin: fewer give no measure."""
TONES: Final = ((55.0, "very_light"), (41.0, "light"), (28.0, "intermediate"), (10.0, "tan"), (-30.0, "brown"))
"""Above this many degrees of ITA; what is left is dark (Chardon et al. 1991; Del Bino and Bernerd 2013)."""
DARKEST: Final = "dark"
FINE: Final = 0.03
"""Texture is what is finer than this, in distances between the eyes."""
HALF: Final = 2.0
"""Roughness in L* at which the texture's quality is one half."""
LEAST_EYES: Final = 100.0
"""Pixels between the eyes from which on texture and lines can be seen at all."""
WORKING_EYES: Final = 200.0
"""Larger pictures are reduced to this, so that equal skin gets equal answers from any camera with enough pixels."""
LINE_WIDTHS: Final = (0.006, 0.010)
"""Standard deviations across a line that are looked for, in distances between the eyes."""
LINE_DEPTH: Final = 1.5
"""L* that a line must be darker than what is about it; below is noise."""
BLOB: Final = 0.5
"""Curvature along over curvature across: from here on it is a spot, no line."""
SHORTEST: Final = 0.1
"""Eye distances that a line must span."""
LINES_FROM: Final = 0.5
"""Length of lines in eye distances for each square eye distance of skin from which wrinkles count as detected."""
CIRCLES: Final = ((10.0, "strong"), (6.0, "moderate"), (3.0, "slight"))
"""L* by which the skin under an eye is darker than the cheek; from 3 on it can be seen. Steps of ours, no clinical scale."""


@dataclass(frozen=True, slots=True)
class SkinTone:
    """Medians L* (0..100), a*, b*, the individual typology angle in degrees (-90..90), and its class.

    ``spread`` is the distance between the quartiles of L*: of evenly lit skin a few units.
    """

    lightness: float
    a: float
    b: float
    ita: float
    tone: str
    spread: float


@dataclass(frozen=True, slots=True)
class Texture:
    """``roughness``: root mean square of the fine structure, in L*, 0 up. ``quality``: 1 smooth to 0, one half at 2 L*."""

    roughness: float
    quality: float


@dataclass(frozen=True, slots=True)
class Wrinkles:
    """``density``: length of dark lines over area, in 1 / eye distance, 0 up. ``share``: of the skin that is line, 0..1."""

    detected: bool
    density: float
    share: float


@dataclass(frozen=True, slots=True)
class DarkCircle:
    """Cheek less under-eye: ``darker`` in L*, ``ita`` in degrees (None where either has none); positive is darker."""

    detected: bool
    severity: str
    darker: float
    ita: float | None


def skin_tone(patch: Pixels) -> SkinTone | None:
    """Of the median colour. None with too little skin, or where it is bluer than grey: then the angle means nothing."""
    skin = patch[..., 3] > 0
    if skin.sum() < LEAST_PIXELS:
        return None
    colours = lab(patch)[skin]
    lightness, a, b = (float(value) for value in np.median(colours, axis=0))
    if b <= 0:
        return None
    angle = math.degrees(math.atan((lightness - 50) / b))
    low, high = np.percentile(colours[:, 0], (25, 75))
    return SkinTone(lightness, a, b, angle, tone_of(angle), float(high - low))


def tone_of(ita: float) -> str:
    """The class of an individual typology angle in degrees; a limit itself belongs to the darker class."""
    return next((name for limit, name in TONES if ita > limit), DARKEST)


def texture(patch: Pixels, eyes: float) -> Texture | None:
    """How uneven the skin's lightness is at a fine scale. None with too little skin, or seen by too few pixels."""
    if not _fine_enough(patch, eyes):
        return None
    patch, eyes = _reduced(patch, eyes)
    skin, light = patch[..., 3] > 0, lab(patch)[..., 0]
    fine = (light - blurred(light, skin, FINE * eyes))[skin]
    roughness = float(np.sqrt(np.mean(np.square(fine, dtype=np.float64))))
    return Texture(roughness, 1 / (1 + roughness / HALF))


def wrinkles(patch: Pixels, eyes: float) -> Wrinkles | None:
    """Dark lines, found as ridges of the lightness. None with too little skin, or seen by too few pixels.

    A ridge bends much across and little along (Frangi et al. 1998).
    """
    if not _fine_enough(patch, eyes):
        return None
    patch, eyes = _reduced(patch, eyes)
    skin, light = patch[..., 3] > 0, lab(patch)[..., 0]
    margin = math.ceil(3 * max(LINE_WIDTHS) * eyes)  # nearer, what lies beside the outline shines in
    inner = cv2.erode(np.pad(skin, 1).astype(np.uint8), np.ones((3, 3), np.uint8), iterations=margin)[1:-1, 1:-1] > 0
    if inner.sum() < LEAST_PIXELS:
        return None
    lines, length = np.zeros_like(skin), np.zeros(skin.shape, np.float32)
    for width in LINE_WIDTHS:
        depth, middle = ridges(light, width * eyes)
        found = long_enough((depth >= LINE_DEPTH) & inner, middle, SHORTEST * eyes)
        length = np.where(lines, length, np.where(found, middle, 0))  # the finer scale has the word
        lines |= found
    area = float(inner.sum())
    density = float(length.sum()) * eyes / area
    return Wrinkles(density >= LINES_FROM, density, float(lines.sum()) / area)


def dark_circle(under_eye: Pixels, cheek: Pixels) -> DarkCircle | None:
    """The skin under an eye beside the cheek of the same side. None where either has too little skin."""
    under, beside = patch_light(under_eye), patch_light(cheek)
    if under is None or beside is None:
        return None
    tones = skin_tone(under_eye), skin_tone(cheek)
    darker = beside - under
    severity = next((name for limit, name in CIRCLES if darker >= limit), "none")
    ita = tones[1].ita - tones[0].ita if tones[0] and tones[1] else None
    return DarkCircle(severity != "none", severity, darker, ita)


def patch_light(patch: Pixels) -> float | None:
    """Median L* of a patch; None with too little skin."""
    skin = patch[..., 3] > 0
    return float(np.median(lab(patch)[..., 0][skin])) if skin.sum() >= LEAST_PIXELS else None


def lab(patch: Pixels) -> Floats:
    """CIELAB (h, w, 3) of sRGB, D65: L* 0..100, a* and b* about -128..127."""
    return np.asarray(cv2.cvtColor(patch[..., :3].astype(np.float32) / 255, cv2.COLOR_RGB2Lab), np.float32)


def blurred(values: Floats, where: Mask, sigma: float) -> Floats:
    """Gaussian mean [h,w] of the values inside a mask alone; zero where nothing of it is near."""
    weights = cv2.GaussianBlur(where.astype(np.float32), (0, 0), sigma)
    total = cv2.GaussianBlur(np.where(where, values, 0).astype(np.float32), (0, 0), sigma)
    return np.asarray(np.divide(total, weights, out=np.zeros_like(total), where=weights > 1e-6), np.float32)


def ridges(light: Floats, sigma: float) -> tuple[Floats, Floats]:
    """Depth [h,w] of dark lines in units of ``light``, and the length [h,w] in pixels of a line's middle in each pixel.

    For a line with a Gaussian profile of this width the depth is its own: the second derivative of such a line, seen
    through as wide a Gaussian, is depth / (2 √2 σ²) at its middle. A pixel holds the middle where the slope across
    vanishes inside of it (Steger 1998): 1 / max(|cos|, |sin|) pixels for each pixel of a line's length.
    """
    smooth = cv2.GaussianBlur(light, (0, 0), sigma)
    x, y, xx, yy, xy = (
        cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3, scale=scale)
        for order, scale in (((1, 0), 1 / 8), ((0, 1), 1 / 8), ((2, 0), 1 / 4), ((0, 2), 1 / 4), ((1, 1), 1 / 4))
    )
    middle, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    across, along = middle + half, middle - half
    line = (across > 0) & (np.abs(along) < BLOB * across)
    angle = np.arctan2(2 * xy, xx - yy) / 2
    cos, sin = np.cos(angle), np.sin(angle)
    steep = np.maximum(np.abs(cos), np.abs(sin))
    offset = np.abs(x * cos + y * sin) / np.where(line, across, 1)
    held = line & (offset * steep <= 0.5)
    depth = np.where(line, across * (2 * math.sqrt(2) * sigma**2), 0)
    return np.asarray(depth, np.float32), np.asarray(np.where(held, steep, 0), np.float32)


def long_enough(found: Mask, middle: Floats, least: float) -> Mask:
    """The connected pieces that span so many pixels and have a middle half as long.

    Pores and noise span less; the flanks of a light line, dark only beside it, have no middle.
    """
    count, pieces, boxes, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8), connectivity=8)
    lengths = np.bincount(pieces.ravel(), weights=middle.ravel(), minlength=count)
    spans = boxes[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1)
    kept = (spans >= least) & (lengths >= least / 2)
    kept[0] = False  # what is no line
    return np.asarray(kept[pieces])


def _fine_enough(patch: Pixels, eyes: float) -> bool:
    return eyes >= LEAST_EYES and int((patch[..., 3] > 0).sum()) >= LEAST_PIXELS


def _reduced(patch: Pixels, eyes: float) -> tuple[Pixels, float]:
    """The patch with at most WORKING_EYES pixels between the eyes; only what is wholly skin stays skin."""
    scale = WORKING_EYES / eyes
    if scale >= 1:
        return patch, eyes
    size = max(1, round(patch.shape[1] * scale)), max(1, round(patch.shape[0] * scale))
    small = np.asarray(cv2.resize(patch, size, interpolation=cv2.INTER_AREA), np.uint8)
    small[..., 3] = np.where(small[..., 3] == 255, 255, 0)
    return small, WORKING_EYES
