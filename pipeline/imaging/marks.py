"""Boxes on a picture, and their labels: on the picture, clear of each other and of what the boxes show.

A label whose box is too small to carry it stands beside the face, with a line to its box.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import cv2
from PIL import Image, ImageDraw, ImageFont

from pipeline.imaging.lettering import INK, font, shortened

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.uint8]
    Colour: TypeAlias = tuple[int, int, int]
    Spot: TypeAlias = tuple[float, float, float, float]

TONES: Final[Mapping[str, Colour]] = {
    "face": (255, 255, 255),
    "plain": (86, 180, 233),
    "good": (0, 200, 150),
    "unsure": (240, 190, 40),
    "bad": (240, 100, 60),
}
"""Colours of marks, after Okabe and Ito: told apart by people who see no red or no green."""

OTHER_LABEL: Final = 1000.0
"""How much worse it is to hide a pixel of another label than one of what a box shows: only where no place is free."""
AWAY: Final = 4.0
"""What a pixel of distance from its box costs a label, in hidden pixels: near beats far, free beats both."""

CROWDED: Final = 9.0
"""A face lower than so many labels would vanish under them: they stand beside it."""


class Box(Protocol):
    """Anything with a top-left corner and a size, in pixels."""

    @property
    def x(self) -> float: ...
    @property
    def y(self) -> float: ...
    @property
    def width(self) -> float: ...
    @property
    def height(self) -> float: ...


@dataclass(frozen=True)
class Mark:
    """A box to draw, a word or two about it, and its tone (a key of TONES). The ``face`` is what labels stand beside."""

    box: Box
    text: str = ""
    tone: str = "plain"


def draw_box(canvas: Pixels, mark: Mark, scale: float, line: float) -> None:
    """A box with a dark rim, so that it shows on any background; in place."""
    left, top, right, bottom = spot_of(mark.box, scale)
    corners = (round(left), round(top)), (round(right), round(bottom))
    width = max(1, round(line * (1.5 if mark.tone == "face" else 1.0)))
    cv2.rectangle(canvas, *corners, INK, width + 2, cv2.LINE_AA)
    cv2.rectangle(canvas, *corners, TONES[mark.tone], width, cv2.LINE_AA)


def draw_labels(picture: Image.Image, marks: Sequence[Mark], scale: float, line: float) -> None:
    """Each mark's words on a plate; in place. First lines, then plates, so that no line crosses a word."""
    draw, (face, pad) = ImageDraw.Draw(picture), _type(picture.size)
    placed = [
        (mark, words, plate) for mark, (words, plate) in zip(marks, plates(marks, scale, picture.size), strict=True)
    ]
    for mark, words, plate in placed:
        if words and _gap(spot_of(mark.box, scale), plate) > pad:
            _leader(draw, plate, spot_of(mark.box, scale), TONES[mark.tone], max(1, round(line)))
    for mark, words, plate in placed:
        if words:
            draw.rounded_rectangle(plate, radius=pad, fill=TONES[mark.tone], outline=INK)
            draw.text((plate[0] + pad, (plate[1] + plate[3]) / 2), words, font=face, fill=INK, anchor="lm")


def plates(marks: Sequence[Mark], scale: float, picture: tuple[int, int]) -> list[tuple[str, Spot]]:
    """Each mark's words, shortened to the picture's width, and where their plate goes. ``picture``: width, height."""
    face, pad = _type(picture)
    spots = [spot_of(mark.box, scale) for mark in marks]
    heads = [spot for mark, spot in zip(marks, spots, strict=True) if mark.tone == "face"]
    shown = [spot for spot in spots if spot not in heads]
    placed: list[tuple[str, Spot]] = []
    for mark, spot in zip(marks, spots, strict=True):
        words = shortened(mark.text, face, picture[0] - 2 * pad)
        size = (face.getlength(words) + 2 * pad, float(face.size + 2 * pad)) if words else (0.0, 0.0)
        around = [place for head in heads for place in _around(head, size, picture)]
        crowded = spot in shown and any(head[3] - head[1] < CROWDED * size[1] for head in heads)
        places = around if crowded else _places(spot, size, picture) + around
        covered = [other for other in shown if other != spot] + (heads if crowded else [])
        placed.append((words, _best(places, spot, [plate for _, plate in placed], covered)))
    return placed


def _type(picture: tuple[int, int]) -> tuple[ImageFont.FreeTypeFont, int]:
    """The labels' font on a picture of this size, and the air about them."""
    height = max(13, round(min(max(picture) / 48, min(picture) / 16)))
    return font(height), max(2, height // 4)


def spot_of(box: Box, scale: float) -> Spot:
    """Left, top, right and bottom of a box on a picture enlarged by ``scale``."""
    return box.x * scale, box.y * scale, (box.x + box.width) * scale, (box.y + box.height) * scale


def _places(box: Spot, size: tuple[float, float], picture: tuple[int, int]) -> list[Spot]:
    """Where a plate of this size may go: above the box, below it, inside, beside; moved into the picture."""
    (left, top, right, bottom), (width, height) = box, size
    corners = [(left, top - height), (left, bottom), (right - width, top - height), (right - width, bottom)]
    corners += [(left, top), (left, bottom - height), (right, top), (left - width, top)]
    return [_kept_inside(x, y, size, picture) for x, y in corners]


def _around(head: Spot, size: tuple[float, float], picture: tuple[int, int]) -> list[Spot]:
    """Places left and right of a face, one below the other; then above and below it. With a little air."""
    (left, top, right, bottom), (width, height) = head, size
    if not height:
        return []
    air, step = height / 2, 1.3 * height
    rows = max(7, int((bottom - top) / step))
    first = max(0.0, min((top + bottom - rows * step) / 2, picture[1] - rows * step))
    corners = [(x, first + step * row) for row in range(rows) for x in (left - width - air, right + air)]
    for row in range(rows):
        corners += [(left, bottom + air + step * row), (left, top - air - step * (row + 1))]
    return [_kept_inside(x, y, size, picture) for x, y in corners]


def _kept_inside(x: float, y: float, size: tuple[float, float], picture: tuple[int, int]) -> Spot:
    x, y = max(0.0, min(x, picture[0] - 1 - size[0])), max(0.0, min(y, picture[1] - 1 - size[1]))
    return x, y, x + size[0], y + size[1]


def _best(places: Sequence[Spot], box: Spot, labels: Sequence[Spot], regions: Sequence[Spot]) -> Spot:
    """The first of the places that hide least and lie nearest."""
    room = (box[2] - box[0]) * (box[3] - box[1])

    def cost(plate: Spot) -> int:
        # A label may lie in its own box, but not cover most of it.
        own = _hidden(plate, [box])
        covered = own if own > room / 2 else 0.0
        return round(OTHER_LABEL * _hidden(plate, labels) + _hidden(plate, regions) + covered + AWAY * _gap(plate, box))

    best, least = places[0], cost(places[0])
    for place in places[1:]:
        if least == 0:
            break
        if (here := cost(place)) < least:
            best, least = place, here
    return best


def _hidden(plate: Spot, others: Iterable[Spot]) -> float:
    """How many pixels of the others a plate would cover."""
    return sum(
        max(0.0, min(plate[2], other[2]) - max(plate[0], other[0]))
        * max(0.0, min(plate[3], other[3]) - max(plate[1], other[1]))
        for other in others
    )


def _gap(one: Spot, other: Spot) -> float:
    """Pixels between two spots along the longer way; 0 when they touch."""
    return max(0.0, one[0] - other[2], other[0] - one[2], one[1] - other[3], other[1] - one[3])


def _leader(draw: ImageDraw.ImageDraw, plate: Spot, box: Spot, colour: Colour, width: int) -> None:
    """A rimmed line from a plate to the nearest point of its box."""
    start = (plate[0] + plate[2]) / 2, (plate[1] + plate[3]) / 2
    end = min(max(start[0], box[0]), box[2]), min(max(start[1], box[1]), box[3])
    draw.line((start, end), fill=INK, width=width + 2)
    draw.line((start, end), fill=colour, width=width)
