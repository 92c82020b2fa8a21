"""Scores of pictures that come in groups: groups are drawn again, not pictures, or the interval would be far too short."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluate import Metric, bootstrap


def grouped(name: str, groups: Sequence[str], statistic: Callable[[NDArray[Any]], float], on: str) -> Metric:
    """`statistic(indices of pictures)` with its 95 % interval over resamples of whole groups; n counts the groups.

    A resample for which the statistic is not a number (one class only) counts as the whole.
    """
    names = sorted(set(groups))
    members = [np.flatnonzero(np.array([group == one for group in groups])) for one in names]
    whole = statistic(np.arange(len(groups)))

    def drawn(chosen: Any) -> float:
        value = statistic(np.concatenate([members[int(index)] for index in chosen]))
        return whole if np.isnan(value) else value

    low, high = bootstrap(len(names), drawn)
    return Metric(name, whole, low, high, len(names), f"{on}; {len(groups)} pictures in {len(names)} groups")


def accuracy(right: NDArray[Any]) -> Callable[[NDArray[Any]], float]:
    """The share of right answers, as a statistic of indices."""
    return lambda chosen: float(np.mean(right[chosen]))


def balanced(right: NDArray[Any], positive: NDArray[Any]) -> Callable[[NDArray[Any]], float]:
    """The mean of the two classes' shares of right answers; nan where a resample has one class."""

    def of(chosen: NDArray[Any]) -> float:
        yes = positive[chosen].astype(bool)
        if yes.all() or not yes.any():
            return float("nan")
        return float((right[chosen][yes].mean() + right[chosen][~yes].mean()) / 2)

    return of
