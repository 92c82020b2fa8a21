"""There and back between a tilted square and the picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pipeline.imaging.rotated_square import RotatedSquare


def picture_with_a_dot(x: int, y: int, size: tuple[int, int] = (120, 200)) -> Any:
    picture = np.zeros((*size, 3), np.uint8)
    picture[y - 2 : y + 3, x - 2 : x + 3] = 255
    return picture


def centre_of_light(pixels: Any) -> tuple[float, float]:
    weights = pixels[:, :, 0].astype(float)
    rows, columns = np.indices(weights.shape)
    return float((columns * weights).sum() / weights.sum()), float((rows * weights).sum() / weights.sum())


@pytest.mark.parametrize("angle", [0.0, 0.3, -1.2, math.pi / 2, 3.0])
def test_what_is_found_in_the_square_goes_back_to_where_it_was(angle: float) -> None:
    square = RotatedSquare(100, 60, 80, angle)
    x, y = centre_of_light(square.cut(picture_with_a_dot(91, 62), 160))
    assert square.to_picture(np.array([x / 160, y / 160])) == pytest.approx([91, 62], abs=0.05)


def test_corners_turn_clockwise_on_the_screen() -> None:
    square = RotatedSquare(10, 20, 4, math.pi / 2)
    assert square.to_picture(np.array([[0.0, 0.0], [1.0, 0.0]])) == pytest.approx(np.array([[12, 18], [12, 22]]))


def test_depth_only_changes_its_unit() -> None:
    found = RotatedSquare(50, 50, 40, 1.0).to_picture(np.array([[0.5, 0.5, 0.25], [0.5, 0.5, -0.1]]))
    assert found == pytest.approx(np.array([[50, 50, 10], [50, 50, -4]]))


def test_a_letterbox_has_the_whole_picture_in_its_middle_and_black_beside_it() -> None:
    square = RotatedSquare.around(100, 200)
    assert square == RotatedSquare(100, 50, 200)
    seen = square.cut(np.full((100, 200, 3), 200, np.uint8), 128)
    assert (seen[40:88] == 200).all() and (seen[:30] == 0).all() and (seen[98:] == 0).all()


def test_the_edge_goes_on_when_asked_to() -> None:
    picture = np.full((50, 50, 3), (9, 90, 190), np.uint8)
    assert (RotatedSquare(0, 0, 80, 0.4).cut(picture, 64, extend=True) == (9, 90, 190)).all()
    assert (RotatedSquare(0, 0, 80, 0.4).cut(picture, 64) == 0).any()


def test_it_survives_json() -> None:
    square = RotatedSquare(1.5, 2.5, 30.0, 0.25)
    assert RotatedSquare.of(square.as_data()) == square
