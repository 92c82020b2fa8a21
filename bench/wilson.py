"""A share with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

SPREAD: Final = 1.959964
"""Standard deviations that hold 95 %."""


def share(found: Iterable[bool]) -> dict[str, Any]:
    """Share of what is true, its n and Wilson's 95 % interval; a share of nothing is null."""
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
