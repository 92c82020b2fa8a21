"""What anomaly scores and maps are worth: AUROC of pictures and pixels, per-region overlap, F1 at a limit.

Per-region overlap (PRO; Bergmann, Fauser, Sattlegger and Steger 2020, "Uninformed Students", arXiv:1911.02357): the mean
share of each true region that lies above a limit, integrated over the share of normal pixels that do, from 0 to 0.3, and
divided by 0.3. Unlike pixels' AUROC it counts a small defect as much as a large one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.data import Floats
from training.evaluate import Doubles, Metric, auc
from training.grouped import grouped

MOST: Final = 0.3
"""Share of normal pixels above the limit up to which PRO is integrated."""
STEPS: Final = 1000
"""Limits that are tried: quantiles of all values, so that curves are straight in between to a thousandth of the pixels."""

Masks = NDArray[np.bool_]
Chosen = NDArray[Any]
NOWHERE: Final = float("nan")


@dataclass(frozen=True, slots=True)
class Curves:
    """Per picture and limit, from below all values to above them, [N,L]; sums over pictures are the sets' curves."""

    normal: Doubles
    """Normal pixels at the limit or above."""
    odd: Doubles
    regions: Doubles
    """Shares of the true regions at the limit or above, added up."""
    count: Doubles
    """True regions [N]."""

    @classmethod
    def of(cls, maps: Floats, truth: Masks) -> "Curves":
        """Of maps and masks [N,h,w]; regions are 8-connected."""
        limits = np.unique(np.quantile(maps, np.linspace(0, 1, STEPS)))
        limits = np.append(limits, np.nextafter(limits[-1], np.inf, dtype=limits.dtype))
        rows = [_rows(heat, mask, limits) for heat, mask in zip(maps, truth, strict=True)]
        normal, odd, regions, count = (np.array(column, np.float64) for column in zip(*rows, strict=True))
        return cls(normal, odd, regions, count)

    def auroc(self, chosen: Chosen) -> float:
        """Chance that an odd pixel of these pictures lies above a normal one; nan without odd ones."""
        odd = self.odd[chosen].sum(axis=0)
        return _area(self._false(chosen), odd / odd[0]) if odd[0] else NOWHERE

    def pro(self, chosen: Chosen, most: float = MOST) -> float:
        """Per-region overlap of these pictures, 0..1; nan without regions."""
        count = self.count[chosen].sum()
        if not count:
            return NOWHERE
        false, overlap = self._false(chosen), self.regions[chosen].sum(axis=0) / count
        inside = false <= most
        at = float(np.interp(most, false[::-1], overlap[::-1]))
        return _area(np.append(most, false[inside]), np.append(at, overlap[inside])) / most

    def _false(self, chosen: Chosen) -> Doubles:
        normal = self.normal[chosen].sum(axis=0)
        return np.asarray(normal / normal[0])


def _rows(heat: Floats, mask: Masks, limits: Floats) -> tuple[Doubles, Doubles, Doubles, int]:
    marks, count = ndimage.label(mask, structure=np.ones((3, 3)))
    shares = [_above(heat[marks == number], limits) / (marks == number).sum() for number in range(1, count + 1)]
    return _above(heat[~mask], limits), _above(heat[mask], limits), sum(shares, np.zeros(len(limits))), count


def _above(values: Floats, limits: Floats) -> Doubles:
    return np.asarray(len(values) - np.searchsorted(np.sort(values), limits, side="left"), np.float64)


def _area(across: Doubles, up: Doubles) -> float:
    """Under a curve whose points run from right to left."""
    return float(-np.trapezoid(up, across))


def f1(scores: Floats, odd: Masks, limit: float) -> Callable[[Chosen], float]:
    """F1 of calling odd what scores the limit or more, as a statistic of indices; nan where nothing is odd."""

    def of(chosen: Chosen) -> float:
        called, truly = scores[chosen] >= limit, odd[chosen]
        return float(2 * (called & truly).sum() / (called.sum() + truly.sum())) if truly.any() else NOWHERE

    return of


@dataclass(frozen=True, slots=True)
class Judged:
    """Pictures that were judged: their groups, which are odd, scores [N], smooth maps [N,h,w], masks of those that have one."""

    groups: Sequence[str]
    odd: Masks
    scores: Floats
    maps: Floats
    masks: Sequence[Masks | None]
    """Of an odd picture: where; None if nobody marked it. A normal one needs none."""

    def metrics(self, of: str, on: str, limit: float) -> list[Metric]:
        """By name, each with an interval over groups; those of pixels where there are masks."""

        def area(chosen: Chosen) -> float:
            both = 0 < self.odd[chosen].mean() < 1
            return auc(self.scores[chosen], list(self.odd[chosen])) if both else NOWHERE

        told = f"{on}, {int(self.odd.sum())} odd"
        called = f"{told}; limit {limit:.4g}, which 95 % of other normal pictures stay below"
        found = [grouped(f"image AUROC, {of}", self.groups, area, told)]
        found.append(grouped(f"F1 at the limit, {of}", self.groups, f1(self.scores, self.odd, limit), called))
        return found + self._of_pixels(of, on)

    def _of_pixels(self, of: str, on: str) -> list[Metric]:
        known = [index for index, mask in enumerate(self.masks) if mask is not None or not self.odd[index]]
        if not any(self.odd[index] for index in known):
            return []
        nothing = np.zeros(self.maps.shape[1:], bool)
        truth = np.stack([nothing if (mask := self.masks[index]) is None else mask for index in known])
        curves, groups = Curves.of(self.maps[known], truth), [self.groups[index] for index in known]
        told = f"{on}, {int(curves.count.sum())} regions"
        return [
            grouped(f"pixel AUROC, {of}", groups, curves.auroc, told),
            grouped(f"PRO to FPR {MOST}, {of}", groups, curves.pro, told),
        ]
