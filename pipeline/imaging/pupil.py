"""Where is the pupil? Circles by OpenCV's Hough transform, each judged by how much of its rim is a rim.

Source of the transform: Yuen et al. 1990, as `cv2.HoughCircles`. What it finds first is often no pupil, so its own order
is not believed: a circle is as good as the share of its rim across which the picture steps from dark to bright, or
everywhere from bright to dark (a lens that is grey or white in a dark iris). It looks at grey values alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.uint8]
    Grey: TypeAlias = NDArray[np.uint8]

SIDE: Final = 256
"""Longer side in pixels at which circles are looked for; coordinates come back in the picture's own."""
RADII: Final = (0.04, 0.13, 0.24, 0.42)
"""Radii, shares of the shorter side: the least, the largest, and where the transform is asked anew."""
MOST: Final = 8
"""Circles of each size that are judged."""
ANGLES: Final = 72
DIRECTIONS: Final = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
STEP: Final = 8.0
"""Grey levels of 255 by which the two sides of a rim must differ to count."""
PLACES: Final = (0.15, 0.5, 0.86, 1.14)
"""Where a circle is looked at, in radii: three times inside, once outside. An iris is not even, a pupil in it is."""
INNER: Final = 0.8
"""A circle inside another is the pupil in the iris when it is smaller than this share of it, and nearly as good."""
NEARLY: Final = 0.8
DOUBTFUL: Final = 0.6
"""Quality below which the transform's circles are not enough."""

Method = Literal["hough", "dark_blob"]


@dataclass(frozen=True, slots=True)
class Pupil:
    """Centre and radius in pixels of the picture; ``quality`` 0..1 is the share of the rim that is one."""

    x: float
    y: float
    radius: float
    quality: float
    method: Method


def find_pupil(picture: Pixels) -> Pupil | None:
    """The best circle in an RGB picture (h, w, 3), however bad; None where there is none at all.

    The transform's centres come first. Where no circle about them is good enough, the largest dark blob in the middle
    of the picture is measured in the same way: a pupil that a lid or a slit of light cuts is often no circle for the transform.
    """
    scale = SIDE / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    grey = np.asarray(cv2.medianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), 5), np.uint8)
    best = _innermost([one for centre in _circles(grey) for one in _judged(grey, *centre, "hough")])
    if best is None or best.quality < DOUBTFUL:
        blobs = [one for centre in _dark_blob(grey) for one in _judged(grey, *centre, "dark_blob")]
        best = _innermost([*blobs, *([best] if best else [])])
    if best is None:
        return None
    return Pupil(best.x / scale, best.y / scale, best.radius / scale, best.quality, best.method)


def _circles(grey: Grey) -> Iterator[tuple[float, float]]:
    """Centres, those of small circles first: one centre has one radius in the transform, and the iris would win it."""
    shorter = min(grey.shape)
    for low, high in pairwise(RADII):
        found = cv2.HoughCircles(
            grey, cv2.HOUGH_GRADIENT, dp=1.5, minDist=shorter / 24, param1=60, param2=24,
            minRadius=max(3, round(low * shorter)), maxRadius=max(4, round(high * shorter)),
        )  # fmt: skip
        for x, y, _ in (found[0] if found is not None else ())[:MOST]:
            yield float(x), float(y)


def _dark_blob(grey: Grey) -> Iterator[tuple[float, float]]:
    """The centre of the largest part of the middle that is dark: a quarter of the way from the darkest to the usual grey."""
    height, width = grey.shape
    top, left = height // 6, width // 6
    middle = grey[top : height - top, left : width - left]
    if not middle.size:
        return
    darkest, usual = np.percentile(middle, (1, 50))
    dark = (middle <= darkest + (usual - darkest) / 4).astype(np.uint8)
    count, _, stats, centres = cv2.connectedComponentsWithStats(dark)
    if count > 1:
        x, y = centres[1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())]
        yield float(x) + left, float(y) + top


def _judged(grey: Grey, x: float, y: float, method: Method) -> list[Pupil]:
    """Circles of every radius about a centre, in order. Of all directions, those with a step of the commoner sign count.

    What lies beyond the picture is no step. This is Daugman's search for the radius with the sharpest rim, by count.
    """
    radii = np.arange(max(3.0, RADII[0] * min(grey.shape)), RADII[-1] * min(grey.shape))
    *deeper, inside, outside = (_Ring(grey, x, y, place) for place in PLACES)
    within = inside.at(radii)
    step = np.nan_to_num(outside.at(radii) - within)
    sharp = np.abs(step.mean(axis=1))
    tops = np.flatnonzero(sharp == sliding_window_view(np.pad(sharp, 3, constant_values=-1.0), 7).max(axis=1))
    step, radii = step[tops], radii[tops]  # all that is left to ask is asked of these few
    rings = [*(ring.at(radii) for ring in deeper), within[tops]]
    usual = np.median(step, axis=1, keepdims=True)
    middle = _known_median(np.concatenate(rings[1:], axis=1))
    even = [np.abs(np.nan_to_num(ring - middle, nan=255)) < np.abs(usual) / 2 for ring in rings]
    rim = (step * np.sign(usual) >= STEP) & np.logical_and.reduce(even)
    return [Pupil(x, y, float(r), float(share), method) for r, share in zip(radii, rim.mean(axis=1), strict=True)]


def _known_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of each row's numbers [N,1], nan where it has none. NumPy's takes ten times as long over short rows."""
    known = np.count_nonzero(~np.isnan(values), axis=1)[:, None]
    ordered = np.sort(values, axis=1)  # nan comes last
    low, high = (np.take_along_axis(ordered, at, axis=1) for at in ((known - 1) // 2, known // 2))
    return np.asarray((low + high) / 2)


@dataclass(frozen=True, slots=True)
class _Ring:
    """Grey values around a centre, at ``place`` times a radius."""

    grey: Grey
    x: float
    y: float
    place: float

    def at(self, radii: NDArray[np.float64]) -> NDArray[np.float64]:
        """[R, ANGLES] for radii [R]; nan beyond the picture."""
        apart = self.place * radii[:, None]
        return _sampled(self.grey, self.x + apart * np.cos(DIRECTIONS), self.y + apart * np.sin(DIRECTIONS))


def _sampled(grey: Grey, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.float64]:
    """Grey values at points, nan beyond the picture."""
    columns, rows = np.rint(xs).astype(int), np.rint(ys).astype(int)
    seen = (columns >= 0) & (rows >= 0) & (columns < grey.shape[1]) & (rows < grey.shape[0])
    values = np.full(xs.shape, np.nan)
    values[seen] = grey[rows[seen], columns[seen]]
    return values


def _innermost(circles: list[Pupil]) -> Pupil | None:
    """The best circle, or one inside it that is nearly as good: pupil before iris."""
    best = max(circles, key=lambda one: one.quality, default=None)
    if best is None:
        return None
    within = [
        one
        for one in circles
        if one.radius < INNER * best.radius
        and one.quality >= NEARLY * best.quality
        and np.hypot(one.x - best.x, one.y - best.y) < 0.3 * best.radius
    ]
    return max(within, key=lambda one: one.quality, default=best)
