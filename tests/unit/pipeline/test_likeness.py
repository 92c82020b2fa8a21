"""How alike two heat maps are: known values, other grids, and maps that say nothing."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pipeline.likeness import SIDE, likeness, resized

CORNER = [[1.0, 0.2], [0.1, 0.0]]


def test_equal_and_scaled_maps_are_alike_and_mirrored_ones_are_not() -> None:
    assert likeness(CORNER, CORNER) == 1
    assert likeness(CORNER, [[value * 0.3 for value in row] for row in CORNER]) == pytest.approx(1)
    assert likeness([[1.0, 0.0]], [[0.0, 1.0]]) == -1
    assert likeness([[1.0, 0.0, 0.0, 1.0]], [[1.0, 1.0, 0.0, 0.0]]) == pytest.approx(0)


def test_it_is_pearsons_correlation_of_what_is_above_zero() -> None:
    chance = random.Random(3)
    one, other = ([[chance.uniform(-1, 1) for _ in range(7)] for _ in range(7)] for _ in range(2))
    expected = np.corrcoef(np.maximum(one, 0).ravel(), np.maximum(other, 0).ravel())[0, 1]
    assert likeness(one, other) == pytest.approx(expected)
    assert likeness([[-1.0, 1.0]], [[-0.2, 1.0]]) == pytest.approx(1), "what speaks against the label is not shown"


def test_a_map_that_points_nowhere_is_compared_with_nothing_but_itself() -> None:
    flat = [[0.5, 0.51], [0.5, 0.5]]
    assert likeness(flat, CORNER) is None
    assert likeness(CORNER, [[-1.0, -2.0], [0.0, -0.1]]) is None
    assert likeness(flat, flat) == 1


def test_grids_of_two_networks_are_brought_to_one() -> None:
    """The same warm corner on a coarse and on a fine grid."""
    fine = [[max(0.0, 1 - (x + y) / 6) for x in range(12)] for y in range(12)]
    coarse = [[(fine[2 * y][2 * x] + fine[2 * y + 1][2 * x + 1]) / 2 for x in range(6)] for y in range(6)]
    assert likeness(fine, coarse) == pytest.approx(1, abs=0.02)
    assert (likeness(fine, [row[::-1] for row in coarse]) or 0) < 0.2


def test_resizing_keeps_what_is_linear() -> None:
    slope = [[(x + 0.5) / 8 for x in range(8)] for _ in range(3)]
    made = resized(slope)
    assert (len(made), len(made[0])) == (SIDE, SIDE)
    inside = [(x + 0.5) / SIDE for x in range(SIDE)][1:-1]
    assert made[5][1:-1] == pytest.approx(inside)
    assert resized([[0.25]]) == [[0.25] * SIDE] * SIDE
