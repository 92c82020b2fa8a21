"""Scores and their bootstrap intervals; plain NumPy, no network in sight."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from training.data import Floats

Doubles: TypeAlias = NDArray[np.float64]
ROUNDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure with its 95 % bootstrap interval over `n` independent items."""

    name: str
    value: float
    low: float
    high: float
    n: int
    on: str

    @classmethod
    def mean(cls, name: str, values: Sequence[float] | NDArray[Any], on: str) -> "Metric":
        """The mean of one figure per item, each 0..1 or small.

        Where all are 0 or all 1 a resample cannot differ, and would claim to be certain: then the bound is the exact
        one of Clopper and Pearson.
        """
        numbers = np.asarray(values, np.float64)
        low, high = bootstrap(len(numbers), lambda chosen: float(numbers[chosen].mean()))
        if (numbers == 1).all():
            low = 0.025 ** (1 / len(numbers))
        if (numbers == 0).all():
            high = 1 - 0.025 ** (1 / len(numbers))
        return cls(name, float(numbers.mean()), low, high, len(numbers), on)


def bootstrap(n: int, statistic: Callable[[Floats], float], seed: int = 0) -> tuple[float, float]:
    """2.5 and 97.5 percentiles of `statistic(indices)` over resamples of n items."""
    low, high = spread(n, statistic, seed)
    return float(low), float(high)


def spread(n: int, statistic: Callable[[Any], Any], seed: int = 0) -> tuple[Any, Any]:
    """The same of a statistic with several numbers; resamples in which one of them is nan do not count for it."""
    rng = np.random.default_rng(seed)
    drawn = np.array([statistic(rng.integers(0, n, n)) for _ in range(ROUNDS)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a bin that is empty in every resample
        low, high = np.nanpercentile(drawn, [2.5, 97.5], axis=0)
    return low, high


def box_iou(a: Floats, b: Floats) -> float:
    """Overlap of two boxes (cx, cy, w, h): 0..1."""
    low = np.maximum(a[:2] - a[2:] / 2, b[:2] - b[2:] / 2)
    high = np.minimum(a[:2] + a[2:] / 2, b[:2] + b[2:] / 2)
    both = float(np.prod(np.maximum(high - low, 0)))
    union = float(np.prod(a[2:]) + np.prod(b[2:])) - both
    return both / union if union > 0 else 0.0


def suppress(boxes: Floats, scores: Floats, least: float, iou: float = 0.45, most: int = 20) -> list[int]:
    """Greedy non-maximum suppression: indices to keep, best first."""
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if scores[index] < least or len(kept) >= most:
            break
        if all(box_iou(boxes[index], boxes[other]) <= iou for other in kept):
            kept.append(int(index))
    return kept


def average_precision(scores: Sequence[float], hits: Sequence[bool], truths: int) -> float:
    """Area under the precision envelope over recall; one entry per detection, all pictures pooled."""
    if not scores or truths == 0:
        return 0.0
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    right = np.asarray(hits, np.float64)[order]
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(envelope * right) / truths)


def mask_iou(found: NDArray[Any], truth: NDArray[Any], threshold: float = 0.5) -> float:
    """Overlap of two masks in 0..1 at a threshold; two empty masks agree."""
    a, b = found >= threshold, truth >= threshold
    union = int(np.logical_or(a, b).sum())
    return float(np.logical_and(a, b).sum() / union) if union else 1.0


def auc(scores: Sequence[float] | Floats, positive: Sequence[bool]) -> float:
    """Chance that a positive scores above a negative, ties count half."""
    values, yes = np.asarray(scores, np.float64), np.asarray(positive, bool)
    above = values[yes][:, None] - values[~yes][None]
    return float(np.mean((above > 0) + 0.5 * (above == 0)))


def expected_calibration_error(chances: Floats, right: Floats, bins: int = 10) -> float:
    """Mean gap between confidence and accuracy over equal-width bins, weighted by size."""
    slot = np.minimum((chances * bins).astype(int), bins - 1)
    gaps = [
        abs(float(chances[slot == k].mean() - right[slot == k].mean())) * float((slot == k).mean())
        for k in range(bins)
        if (slot == k).any()
    ]
    return float(sum(gaps))


def fit_temperature(logits: Floats, labels: Floats) -> float:
    """The divisor of the logits [N,C] with the least cross entropy on labels [N]: 0.25..8."""
    best, least = 1.0, np.inf
    for temperature in np.geomspace(0.25, 8.0, 121):
        scaled = logits / temperature
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        chosen = scaled[np.arange(len(labels)), labels.astype(int)]
        cross = float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - chosen))
        if cross < least:
            best, least = float(temperature), cross
    return round(best, 3)


def fit_line(logits: Floats, right: Floats, rounds: int = 50) -> tuple[float, float]:
    """Platt's (scale, offset) of a logit so that its sigmoid is the chance of being right."""
    features = np.stack([logits, np.ones_like(logits)], axis=1).astype(np.float64)

    def cost(weights: Doubles) -> float:
        margin = features @ weights
        return float(np.mean(np.logaddexp(0, margin) - right * margin) + 5e-4 * weights @ weights)

    weights = np.zeros(2)
    for _ in range(rounds):
        chance = 1 / (1 + np.exp(-features @ weights))
        slope = features.T @ (chance - right) / len(right) + 1e-3 * weights
        bend = (features * (chance * (1 - chance))[:, None]).T @ features / len(right) + 1e-3 * np.eye(2)
        step = np.linalg.solve(bend, slope)
        while cost(weights - step) > cost(weights) and np.abs(step).max() > 1e-9:
            step = step / 2
        weights = weights - step
    return float(weights[0]), float(weights[1])
