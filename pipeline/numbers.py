"""Numbers as they go into results (stdlib only)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


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
