"""The square for the mesh, and outlines of skin on a real face, turned in space where poses are asked for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pipeline.contracts import BoundingBox
from pipeline.imaging.face_mesh import OUTLINES, beyond, eye_distance, facing, filled, mesh_square
from tests.unit.pipeline.tiny_faces import portrait

SQUARE = np.array([[1.0, 1.0, 0], [5, 1, 0], [5, 4, 0], [1, 4, 0]])


def turned(degrees: float, about: str = "y") -> Any:
    """The portrait turned in space: about y a profile, about x a nod."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    matrix = {"y": [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]], "x": [[1, 0, 0], [0, cos, -sin], [0, sin, cos]]}[about]
    return (portrait() - [0.5, 0.5, 0]) @ np.array(matrix).T


def test_the_square_is_half_as_large_again_and_turned_by_the_eyes() -> None:
    square = mesh_square(BoundingBox(10, 20, 100, 80), {"left_eye": (30, 40), "right_eye": (60, 70)})
    assert (square.x, square.y, square.side) == (60, 60, 150)
    assert square.angle == pytest.approx(math.pi / 4)


def test_outlines_are_of_mesh_points_and_alike_on_both_sides() -> None:
    for name, indices in OUTLINES.items():
        assert len(set(indices)) == len(indices) >= 8, name
        assert 0 <= min(indices) <= max(indices) < 468
    points = portrait()
    for part in ("cheek", "under_eye"):
        left, right = (points[list(OUTLINES[f"{side}_{part}"])] * 400 for side in ("left", "right"))
        assert filled(left, 400, 400).sum() == pytest.approx(filled(right, 400, 400).sum(), rel=0.25)
        assert len(OUTLINES[f"left_{part}"]) == len(OUTLINES[f"right_{part}"])


def test_regions_lie_where_their_names_say() -> None:
    points = portrait()
    at = {name: points[list(indices), :2].mean(axis=0) for name, indices in OUTLINES.items()}
    assert at["forehead"][1] < at["left_under_eye"][1] < at["left_cheek"][1] < at["chin"][1]
    assert at["left_cheek"][0] < at["nose"][0] < at["right_cheek"][0]
    assert at["left_under_eye"][0] < at["nose"][0] < at["right_under_eye"][0]


def test_regions_do_not_overlap() -> None:
    points = portrait() * 400
    masks = [filled(points[list(indices)], 400, 400) for indices in OUTLINES.values()]
    assert sum(mask.astype(int) for mask in masks).max() == 1


def test_a_frontal_face_shows_every_region() -> None:
    assert all(facing(portrait()[list(indices)]) > 0.6 for indices in OUTLINES.values())


@pytest.mark.parametrize("degrees", [60, -60])
def test_of_a_profile_the_far_cheek_is_turned_away_and_the_near_one_is_not(degrees: float) -> None:
    seen = {side: facing(turned(degrees)[list(OUTLINES[f"{side}_cheek"])]) for side in ("left", "right")}
    far, near = ("left", "right") if seen["left"] < seen["right"] else ("right", "left")
    assert seen[far] < 0.35 < seen[near]
    # The tip of the nose (point 1) points to the side that is hidden.
    assert far == ("left" if turned(degrees)[1, 0] < turned(degrees)[168, 0] else "right")


def test_facing_falls_with_the_angle() -> None:
    seen = [facing(turned(degrees)[list(OUTLINES["nose"])]) for degrees in (0, 20, 40, 60, 80)]
    assert seen == sorted(seen, reverse=True) and seen[-1] < 0.35


def test_facing_is_the_cosine_and_knows_the_back() -> None:
    assert facing(SQUARE) == pytest.approx(1) and facing(SQUARE[::-1]) == pytest.approx(-1)
    tilted = SQUARE * [math.cos(1.0), 1, 0] + np.outer(SQUARE[:, 0] * math.sin(1.0), [0, 0, 1])
    assert facing(tilted) == pytest.approx(math.cos(1.0))
    assert facing(np.zeros((4, 3))) == 0


def test_a_polygon_s_pixels_are_those_it_covers_or_touches() -> None:
    mask = filled(np.add(SQUARE, [2, 3, 0]), 20, 20)
    assert mask[4:8, 3:8].all() and mask.sum() == 20
    assert filled(SQUARE * 40, 200, 300).sum() == pytest.approx(12 * 1600, rel=0.02)
    assert filled(np.subtract(SQUARE, [3, 0, 0]), 20, 20).sum() == 12, "what lies beyond the edge is not there"


@pytest.mark.parametrize(
    ("moved", "share"),
    [
        ((0, 0), 0),
        ((-30, 0), 0.2),
        ((-50, 0), 0.4),
        ((0, -40), 0.4),
        ((-30, -40), 0.52),
        ((260, 0), 0.5),
        ((-500, 0), 1),
    ],
)
def test_the_share_of_a_polygon_beyond_the_edge(moved: tuple[int, int], share: float) -> None:
    """100 × 75 pixels at (10, 10) of a picture of 320 × 200."""
    outline = (SQUARE - [1, 1, 0]) * 25 + [10, 10, 0] + [*moved, 0]
    assert beyond(outline, 200, 320) == pytest.approx(share, abs=0.03)


def test_the_distance_between_the_eyes_does_not_count_depth() -> None:
    points = portrait()
    assert eye_distance(points) == pytest.approx(eye_distance(points * [1, 1, 9]))
    assert 0.2 < eye_distance(points) < 0.35
