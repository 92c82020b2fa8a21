"""Labels: on the picture, clear of each other, and beside a face that is too small to carry them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.contracts import BoundingBox as Box
from pipeline.imaging.marks import Mark, plates, spot_of
from pipeline.imaging.render import draw_preview

PLACES = {
    "left eye": (0.33, 0.42),
    "right eye": (0.67, 0.42),
    "left ear": (0.25, 0.2),
    "right ear": (0.75, 0.2),
    "mouth": (0.5, 0.7),
}


def face(x: float, y: float, side: float) -> list[Mark]:
    """A head's box with its five areas."""
    marks = [Mark(Box(x, y, side, side), "face 0.93", "face")]
    for name, (across, down) in PLACES.items():
        half = side * 0.14
        box = Box(x + across * side - half, y + down * side - half, 2 * half, 2 * half)
        marks.append(Mark(box, f"{name}: uncertain", "unsure"))
    return marks


def overlaps(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return min(one[2], other[2]) - max(one[0], other[0]) > 0.5 and min(one[3], other[3]) - max(one[1], other[1]) > 0.5


SIZES = [(64, 64), (320, 240), (240, 320), (1280, 960), (2048, 1365), (1600, 400), (400, 1600)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0.12, 0.4, 0.9])
@pytest.mark.parametrize("where", [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_labels_lie_on_the_picture_and_clear_of_each_other(
    size: tuple[int, int], share: float, where: tuple[float, float]
) -> None:
    width, height = size
    scale = max(1.0, 640 / max(size))  # as a preview is enlarged
    side = share * min(size)
    marks = face(where[0] * (width - side), where[1] * (height - side), side)
    canvas = round(width * scale), round(height * scale)
    placed = [plate for _, plate in plates(marks, scale, canvas)]
    for left, top, right, bottom in placed:
        assert left >= 0 and top >= 0 and right <= canvas[0] and bottom <= canvas[1]
    assert not any(overlaps(*pair) for pair in itertools.combinations(placed, 2))


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_a_small_face_is_not_covered_by_its_labels(share: float) -> None:
    side = share * 640
    head, *areas = face(300, 300, side)
    for _, plate in plates([head, *areas], 1.0, (640, 640))[1:]:
        assert not overlaps(plate, spot_of(head.box, 1.0))


def test_a_label_away_from_its_box_has_a_line_to_it() -> None:
    picture = np.full((640, 640, 3), 90, np.uint8)
    marks = face(300, 300, 80)
    bare = draw_preview(picture, [Mark(mark.box, "", mark.tone) for mark in marks])
    changed = (draw_preview(picture, marks) != bare).any(axis=2)
    for _, (left, top, right, bottom) in plates(marks, 1.0, (640, 640)):
        changed[int(top) : int(bottom) + 2, int(left) : int(right) + 2] = False
    assert changed.sum() > 60, "only lines are left"


def test_a_label_too_long_for_the_picture_is_shortened() -> None:
    words, plate = plates([Mark(Box(10, 10, 20, 20), "w" * 300, "bad")], 1.0, (200, 200))[0]
    assert words.endswith("…") and plate[2] <= 200
