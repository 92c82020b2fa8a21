"""One sheet per scan: the picture and what was made of it above, each area with its finding and its heat map below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from PIL import Image, ImageDraw

from pipeline.imaging.lettering import INK, font, shortened
from pipeline.imaging.marks import TONES
from pipeline.imaging.render import on_checkerboard, shrunk

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.uint8]
    Captioned: TypeAlias = tuple[Pixels, str]

WIDTH: Final = 1600
"""Pixels of every sheet's width."""
_GAP, _TEXT, _SMALL, _CAPTION, _LARGE, _WIDEST, _CROP = 20, 22, 17, 30, 586, 380, 224
_PAPER, _TILE, _SOFT = (250, 250, 248), (232, 232, 229), (96, 98, 104)


@dataclass(frozen=True)
class Area:
    """One area: its pictures where there are some, what is said of it in a few words, how (a key of TONES), and why."""

    name: str
    answer: str
    tone: str
    note: str = ""
    crop: Pixels | None = None
    overlay: Pixels | None = None


def scan_sheet(
    title: str, made_of: Sequence[Captioned], shown: Sequence[Captioned], areas: Sequence[Area], note: str
) -> Pixels:
    """The sheet as RGB (h, 1600, 3): what the scan is ``made_of`` small and stacked, what is ``shown`` of it large.

    Pictures may be RGBA and of any shape. There are one or two of each; areas may be none.
    """
    rows = [
        _words(title, _TEXT + 6, INK),
        _strip([_stacked(made_of), *(_tile(picture, text, _LARGE, _LARGE) for picture, text in shown)]),
        _strip([_area(area, min(_WIDEST, (WIDTH - _GAP) // len(areas) - _GAP)) for area in areas]),
        _words(note, _SMALL, _SOFT),
    ]
    there = [row for row in rows if row is not None]
    sheet = _paper(WIDTH, _GAP + sum(len(row) + _GAP for row in there))
    top = _GAP
    for row in there:
        _lay(sheet, row, 0, top)
        top += len(row) + _GAP
    return sheet


def _paper(width: int, height: int, colour: tuple[int, int, int] = _PAPER) -> Pixels:
    """Row by row: NumPy fills three bytes at a time ten times as slowly."""
    paper = np.empty((height, width * 3), np.uint8)
    paper[:] = np.tile(np.array(colour, np.uint8), width)
    return paper.reshape(height, width, 3)


def _lay(ground: Pixels, part: Pixels, left: int, top: int) -> None:
    """Put one picture on another, in place. Only words are drawn by Pillow, on strips of their own: its way back costs."""
    ground[top : top + len(part), left : left + part.shape[1]] = part


def _strip(tiles: Sequence[Pixels]) -> Pixels | None:
    """Tiles beside each other."""
    if not tiles:
        return None
    strip = _paper(WIDTH, max(len(tile) for tile in tiles))
    left = _GAP
    for tile in tiles:
        _lay(strip, tile, left, 0)
        left += tile.shape[1] + _GAP
    return strip


def _stacked(pictures: Sequence[Captioned]) -> Pixels:
    """Tiles below each other, together as high as a large one."""
    width, whole = WIDTH - 4 * _GAP - 2 * _LARGE, _LARGE + _CAPTION
    column = _paper(width, whole)
    each = (whole - _GAP * (len(pictures) - 1)) // len(pictures)
    for place, (picture, caption) in enumerate(pictures):
        _lay(column, _tile(picture, caption, width, each - _CAPTION), 0, place * (each + _GAP))
    return column


def _tile(picture: Pixels, caption: str, width: int, height: int) -> Pixels:
    """A picture as large as its cell allows, above its caption."""
    words = Image.new("RGB", (width, _CAPTION), _PAPER)
    _write(ImageDraw.Draw(words), (0, 6), caption, _SMALL, width, _SOFT)
    return np.concatenate([_centred(picture, width, height), np.asarray(words)])


def _centred(picture: Pixels, width: int, height: int) -> Pixels:
    """A picture as large as fits, in the middle of a cell."""
    cell, shown = _paper(width, height, _TILE), _fitted(picture, width, height)
    _lay(cell, shown, (width - shown.shape[1]) // 2, (height - len(shown)) // 2)
    return cell


def _area(area: Area, side: int) -> Pixels:
    """Name and answer above the crop, the heat map below it; where one is missing, an empty place that says so."""
    half = min(side, _CROP)
    foot = Image.new("RGB", (side, _SMALL + 10), _PAPER)
    _write(ImageDraw.Draw(foot), (0, 6), area.note, _SMALL, side, _SOFT)
    crop, overlay = (
        _empty(missing, side, half) if picture is None else _centred(picture, side, half)
        for picture, missing in ((area.crop, "no crop"), (area.overlay, "no heat map"))
    )
    return np.concatenate([_head(area, side), crop, _paper(side, 6), overlay, np.asarray(foot)])


def _head(area: Area, side: int) -> Pixels:
    """An area's name, and its answer on a plate in the colour of its tone."""
    height = 2 * _TEXT + 22
    head = Image.new("RGB", (side, height), _PAPER)
    draw, face = ImageDraw.Draw(head), font(_TEXT - 2)
    _write(draw, (0, 0), area.name, _TEXT, side, INK)
    words = shortened(area.answer, face, side - 16)
    draw.rounded_rectangle((0, _TEXT + 8, face.getlength(words) + 16, height - 8), radius=6, fill=TONES[area.tone])
    draw.text((8, (_TEXT + height) / 2), words, font=face, fill=INK, anchor="lm")
    return np.asarray(head)


def _empty(missing: str, side: int, height: int) -> Pixels:
    """A place without its picture."""
    cell = Image.new("RGB", (side, height), _TILE)
    ImageDraw.Draw(cell).text((side / 2, height / 2), missing, font=font(_SMALL), fill=_SOFT, anchor="mm")
    return np.asarray(cell)


def _words(text: str, size: int, colour: tuple[int, int, int]) -> Pixels | None:
    if not text:
        return None
    row = Image.new("RGB", (WIDTH, size + size // 3), _PAPER)
    _write(ImageDraw.Draw(row), (_GAP, 0), text, size, WIDTH - 2 * _GAP, colour)
    return np.asarray(row)


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, width: int, colour: tuple[int, int, int]
) -> None:
    face = font(size)
    draw.text(at, shortened(text, face, width), font=face, fill=colour)


def _fitted(picture: Pixels, width: int, height: int) -> Pixels:
    """The whole picture, as large as fits."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    if scale < 1:
        picture = shrunk(picture, max(1, round(scale * max(picture.shape[:2]))))
    if picture.shape[2:] == (4,):
        picture = on_checkerboard(picture)
    if scale > 1:
        size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return picture
