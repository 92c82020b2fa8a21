"""How alike two heat maps are: Pearson's correlation of what their pictures show, -1..1. Stdlib only.

What is shown is the part of a map that speaks for its label: values below 0 count as 0. Each map is of its own crop, so
two crops that differ are compared as they lie, and two labels that differ are compared as what was looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import TypeAlias

Map: TypeAlias = Sequence[Sequence[float]]
"""Rows of numbers, at least one by one."""

SIDE = 16
"""Maps of networks with other grids are brought to so many cells a side."""
FLAT = 0.05
"""As for pictures: a map whose values differ by less than this share of the largest points nowhere."""


def likeness(one: Map, other: Map) -> float | None:
    """1 for equal maps and for those that differ by a factor, 0 for unrelated ones; None where one points nowhere."""
    if one == other:
        return 1.0
    if (len(one), len(one[0])) != (len(other), len(other[0])):
        one, other = resized(one), resized(other)
    first, second = ([max(value, 0.0) for line in each for value in line] for each in (one, other))
    if _flat(first) or _flat(second):
        return None
    return _correlation(first, second)


def resized(cells: Map, side: int = SIDE) -> list[list[float]]:
    """The map with ``side`` by ``side`` cells, linear between the centres of its own."""
    across = [_between(place, side, len(cells[0])) for place in range(side)]
    rows = [[line[a] * (1 - t) + line[b] * t for a, b, t in across] for line in cells]
    down = [_between(place, side, len(cells)) for place in range(side)]
    return [[p * (1 - t) + q * t for p, q in zip(rows[a], rows[b], strict=True)] for a, b, t in down]


def _between(place: int, side: int, cells: int) -> tuple[int, int, float]:
    """The two cells whose centres are next to that of cell ``place`` of ``side``, and how far it is from the first."""
    at = min(max((place + 0.5) * cells / side - 0.5, 0.0), cells - 1.0)
    first = min(int(at), max(cells - 2, 0))
    return first, min(first + 1, cells - 1), at - first


def _flat(values: Sequence[float]) -> bool:
    return max(values) - min(values) <= FLAT * max(values)


def _correlation(one: Sequence[float], other: Sequence[float]) -> float:
    a, b = sum(one) / len(one), sum(other) / len(other)
    shared = sum((x - a) * (y - b) for x, y in zip(one, other, strict=True))
    spread = sqrt(sum((x - a) ** 2 for x in one) * sum((y - b) ** 2 for y in other))
    return max(-1.0, min(1.0, shared / spread))
