"""Numbers as they go into results (stdlib only)."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

SPREAD: Final = 1.959964
"""Standard deviations that hold 95 % of a normal distribution."""


def rounded(value: Any, digits: int = 6) -> Any:
    """A JSON value with every float rounded, so that reports stay readable and stable. Raises ValueError for NaN."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a result holds a number that is not finite")
        return round(value, digits) + 0.0  # -0.0 becomes 0.0
    if isinstance(value, Mapping):
        return {str(key): rounded(each, digits) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each, digits) for each in value]
    return value


def inside(value: float, edges: Sequence[float]) -> float:
    """How far from the borders of its half-open band a value lies, 0..1; the first and the last edge are no borders."""
    index = min(bisect_right(edges, value), len(edges) - 1) - 1
    low, high = edges[index], edges[index + 1]
    above, below = (value - low) / (high - low), (high - value) / (high - low)
    if index == 0:
        return below
    return above if index == len(edges) - 2 else 2 * min(above, below)


def share(found: Iterable[bool]) -> dict[str, Any]:
    """Share of what is true, with its n and Wilson's 95 % interval; the share of nothing is None."""
    values = list(found)
    n, hits = len(values), sum(values)
    low, high = interval(hits, n)
    return {"share": round(hits / n, 4) if n else None, "low": round(low, 4), "high": round(high, 4), "n": n}


def interval(hits: int, n: int) -> tuple[float, float]:
    """Wilson's interval of hits out of n, inside 0..1; all of it where there is nothing."""
    if n == 0:
        return 0.0, 1.0
    p, z = hits / n, SPREAD
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (centre - half) / (1 + z * z / n)), min(1.0, (centre + half) / (1 + z * z / n))
