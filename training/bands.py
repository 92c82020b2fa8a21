"""Which answers of a fast model are too unsure to stand: the band in which a cascade asks the strong one, from its scores.

Bands are symmetric in the logit, so one number makes them: they lie inside one another. What a budget promises is
bounded by Clopper and Pearson (1934), as conformal risk control does for such nested sets (Angelopoulos et al. 2021,
arXiv:2110.01052). Every bound takes the pictures for independent. Copies of one original are not: say how many groups there are.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

Scores: TypeAlias = NDArray[Any]

LOGITS: Final = np.arange(0, 6.01, 0.1)
"""Half widths that are tried: 0 is chance 0.5 alone, 6 is 0.0025..0.9975."""


@dataclass(frozen=True, slots=True)
class Share:
    """``k`` of ``n`` with the exact bounds at one-sided confidence ``sure`` each."""

    k: int
    n: int
    low: float
    high: float
    sure: float

    @classmethod
    def of(cls, k: int, n: int, sure: float) -> "Share":
        """Clopper and Pearson's bounds; 0..1 where there is nothing to count."""
        low = float(beta.ppf(1 - sure, k, n - k + 1)) if k else 0.0
        high = float(beta.ppf(sure, k + 1, n - k)) if k < n else 1.0
        return cls(k, n, low, high, sure)

    def __str__(self) -> str:
        return f"{self.k} of {self.n} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, slots=True)
class Band:
    """Chances in ``low``..``high`` go to the strong model: how many did, and how many of the others were wrong."""

    low: float
    high: float
    asked: Share
    wrong: Share


def band(chances: Scores, positive: Scores, half: float, sure: float = 0.95) -> Band:
    """The band of one half width in logits over chances [N] and what they should have said [N]."""
    low = 1 / (1 + math.exp(half))
    inside = (chances >= low) & (chances <= 1 - low)
    wrong = ((chances >= 0.5) != positive.astype(bool)) & ~inside
    answered = len(chances) - int(inside.sum())
    asked = Share.of(int(inside.sum()), len(chances), sure)
    return Band(low, 1 - low, asked, Share.of(int(wrong.sum()), answered, sure))


def within_share(chances: Scores, positive: Scores, most: float, sure: float = 0.95) -> Band | None:
    """The widest band into which, at confidence ``sure``, at most the share ``most`` of all pictures falls; None: no such.

    Bands are tried from the narrowest on and the first that fails ends it, so trying many costs no confidence.
    """
    best = None
    for found in _bands(chances, positive, sure):
        if found.asked.high > most:
            break
        best = found
    return best


def within_error(chances: Scores, positive: Scores, most: float, sure: float = 0.95) -> Band | None:
    """The narrowest band outside of which, at confidence ``sure``, at most the share ``most`` is wrong; None: no such.

    A wider band leaves fewer answers to count, so the bound may fall and rise again: all bands are tried, and the
    confidence is shared out to them (Bonferroni).
    """
    stricter = 1 - (1 - sure) / len(LOGITS)
    fits = (found for found in _bands(chances, positive, stricter) if found.wrong.high <= most)
    return next(fits, None)


def least_pictures(most: float, sure: float = 0.95) -> int:
    """Answered pictures without one error that ``within_error`` needs at least."""
    return math.ceil(math.log((1 - sure) / len(LOGITS)) / math.log(1 - most))


def _bands(chances: Scores, positive: Scores, sure: float) -> Iterator[Band]:
    return (band(chances, positive, float(half), sure) for half in LOGITS)
