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
    sheet = Image.new("RGB", (WIDTH, _GAP + sum(row.height + _GAP for row in rows if row)), _PAPER)
    top = _GAP
    for row in rows:
        if row:
            sheet.paste(row, (0, top))
            top += row.height + _GAP
    return np.asarray(sheet)


def _strip(tiles: Sequence[Image.Image]) -> Image.Image | None:
    """Tiles beside each other."""
    if not tiles:
        return None
    strip = Image.new("RGB", (WIDTH, max(tile.height for tile in tiles)), _PAPER)
    left = _GAP
    for tile in tiles:
        strip.paste(tile, (left, 0))
        left += tile.width + _GAP
    return strip


def _stacked(pictures: Sequence[Captioned]) -> Image.Image:
    """Tiles below each other, together as high as a large one."""
    width, whole = WIDTH - 4 * _GAP - 2 * _LARGE, _LARGE + _CAPTION
    column = Image.new("RGB", (width, whole), _PAPER)
    each = (whole - _GAP * (len(pictures) - 1)) // len(pictures)
    for place, (picture, caption) in enumerate(pictures):
        column.paste(_tile(picture, caption, width, each - _CAPTION), (0, place * (each + _GAP)))
    return column


def _tile(picture: Pixels, caption: str, width: int, height: int) -> Image.Image:
    """A picture as large as its cell allows, above its caption."""
    shown = _fitted(picture, width, height)
    tile = Image.new("RGB", (width, height + _CAPTION), _PAPER)
    draw = ImageDraw.Draw(tile)
    draw.rectangle((0, 0, width - 1, height - 1), fill=_TILE)
    tile.paste(shown, ((width - shown.width) // 2, (height - shown.height) // 2))
    _write(draw, (0, height + 6), caption, _SMALL, width, _SOFT)
    return tile


def _area(area: Area, side: int) -> Image.Image:
    """Name and answer above the crop, the heat map below it; where one is missing, an empty place that says so."""
    head = 2 * _TEXT + 22
    half = min(side, _CROP)
    tile = Image.new("RGB", (side, head + 2 * half + 6 + _SMALL + 10), _PAPER)
    draw = ImageDraw.Draw(tile)
    _write(draw, (0, 0), area.name, _TEXT, side, INK)
    face = font(_TEXT - 2)
    words = shortened(area.answer, face, side - 16)
    draw.rounded_rectangle((0, _TEXT + 8, face.getlength(words) + 16, head - 8), radius=6, fill=TONES[area.tone])
    draw.text((8, (_TEXT + head) / 2), words, font=face, fill=INK, anchor="lm")
    for place, (picture, missing) in enumerate(((area.crop, "no crop"), (area.overlay, "no heat map"))):
        top = head + place * (half + 6)
        draw.rectangle((0, top, side - 1, top + half - 1), fill=_TILE)
        if picture is None:
            draw.text((side / 2, top + half / 2), missing, font=font(_SMALL), fill=_SOFT, anchor="mm")
        else:
            shown = _fitted(picture, side, half)
            tile.paste(shown, ((side - shown.width) // 2, top + (half - shown.height) // 2))
    _write(draw, (0, head + 2 * half + 12), area.note, _SMALL, side, _SOFT)
    return tile


def _words(text: str, size: int, colour: tuple[int, int, int]) -> Image.Image | None:
    if not text:
        return None
    row = Image.new("RGB", (WIDTH, size + size // 3), _PAPER)
    _write(ImageDraw.Draw(row), (_GAP, 0), text, size, WIDTH - 2 * _GAP, colour)
    return row


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, width: int, colour: tuple[int, int, int]
) -> None:
    face = font(size)
    draw.text(at, shortened(text, face, width), font=face, fill=colour)


def _fitted(picture: Pixels, width: int, height: int) -> Image.Image:
    """The whole picture, as large as fits."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    if scale < 1:
        picture = shrunk(picture, max(1, round(scale * max(picture.shape[:2]))))
    if picture.shape[2:] == (4,):
        picture = on_checkerboard(picture)
    if scale > 1:
        size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return Image.fromarray(picture)
