"""Have two samples the same distribution? Exact and asymptotic tests on counts, and Holm's correction. Stdlib only.

SciPy has them all, and neither the API's image nor a worker's has SciPy; the tests hold these to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Final

LEAST_EXPECTED: Final = 5.0
"""Of a cell, for the chi-squared test: rarer words are counted together, and of yes and no Fisher's test is taken."""
LEAST_DAYS: Final = 5
"""With fewer nobody can say how much days differ."""


def shift(before: Sequence[float], after: Sequence[float]) -> float:
    """Kolmogorov and Smirnov's distance of two samples in the same ordered bins: the largest gap of their sums, 0..1."""
    n, m = sum(before), sum(after)
    sums: Iterable[tuple[float, float]] = zip(accumulate(before), accumulate(after), strict=True)
    return max((abs(a / n - b / m) for a, b in sums), default=0.0)


def kolmogorov_p(distance: float, n: float, m: float) -> float:
    """Chance of such a distance or a larger one between samples of one distribution; too large for numbers in bins."""
    root = math.sqrt(n * m / (n + m))
    x = (root + 0.12 + 0.11 / root) * distance
    if x < 0.2:  # the series needs many terms there, and the answer is 1 to ten digits
        return 1.0
    return min(1.0, max(0.0, 2 * sum((1 if k % 2 else -1) * math.exp(-2 * (k * x) ** 2) for k in range(1, 101))))


def words_p(before: Mapping[str, int], after: Mapping[str, int]) -> float:
    """Chance of words so differently shared out; 1 where there is but one word."""
    pairs = _pooled([(before.get(word, 0), after.get(word, 0)) for word in sorted({*before, *after})])
    n, m = (sum(column) for column in zip(*pairs, strict=True))
    if len(pairs) < 2 or not n or not m:
        return 1.0
    expected = [((a + b) * n / (n + m), (a + b) * m / (n + m)) for a, b in pairs]
    if min(map(min, expected)) < LEAST_EXPECTED:
        return fisher_p(pairs[0][0], n, pairs[0][1], m)
    found = sum(
        (o - e) ** 2 / e
        for pair, wanted in zip(pairs, expected, strict=True)
        for o, e in zip(pair, wanted, strict=True)
    )
    return chi_squared_p(found, len(pairs) - 1)


def _pooled(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Words that are too rare for the test as one; never fewer than two, unless there are."""
    n, m = (sum(column) for column in zip(*pairs, strict=True))
    rarest_first, least = sorted(pairs, key=sum), LEAST_EXPECTED * (n + m) / max(1, min(n, m))
    while len(rarest_first) > 2 and sum(rarest_first[0]) < least:
        first, second, *others = rarest_first
        rarest_first = sorted([(first[0] + second[0], first[1] + second[1]), *others], key=sum)
    return rarest_first


def chi_squared_p(value: float, degrees: int) -> float:
    """Upper tail of the chi-squared distribution, in its closed form for a whole number of degrees of freedom."""
    half = value / 2
    if degrees % 2 == 0:
        tail, exponents = 0.0, range(degrees // 2)
    else:
        tail, exponents = math.erfc(math.sqrt(half)), range((degrees - 1) // 2)
    start = 0.5 * (degrees % 2)
    if not half:
        return 1.0
    terms = (math.exp((k + start) * math.log(half) - half - math.lgamma(k + start + 1)) for k in exponents)
    return min(1.0, tail + sum(terms))


def fisher_p(hits: int, n: int, others: int, m: int) -> float:
    """Fisher's exact test, two-sided: ``hits`` of ``n`` against ``others`` of ``m``."""
    total = hits + others
    ways = [_ways(n, k) + _ways(m, total - k) for k in range(max(0, total - m), min(n, total) + 1)]
    seen = _ways(n, hits) + _ways(m, others)
    most = max(ways)
    whole = sum(math.exp(each - most) for each in ways)
    return min(1.0, sum(math.exp(each - most) for each in ways if each <= seen + 1e-7) / whole)


def _ways(n: int, k: int) -> float:
    """Logarithm of the number of ways to choose k of n."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def dispersion(parts: Sequence[tuple[int, int]]) -> float:
    """How much more days differ than chance alone would have them: hits and n of each; 1 for chance, and for too few days.

    Pearson's statistic over its degrees of freedom. So many scans tell as little as one that is independent.
    """
    hits, n = (sum(column) for column in zip(*parts, strict=True)) if parts else (0, 0)
    if len(parts) < LEAST_DAYS or not 0 < hits < n:
        return 1.0
    share = hits / n
    found = sum((k - each * share) ** 2 / (each * share * (1 - share)) for k, each in parts if each)
    return max(1.0, found / (len(parts) - 1))


def holm(chances: Sequence[float]) -> list[float]:
    """Each p-value as if it were the only one: rejecting those up to a limit errs at all with at most that chance."""
    made, worst = [0.0] * len(chances), 0.0
    for place, at in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        worst = made[at] = max(worst, min(1.0, chances[at] * (len(chances) - place)))
    return made
