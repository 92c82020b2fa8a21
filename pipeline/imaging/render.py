"""Pictures for people: previews, heat maps, cut-outs on a background, contact sheets.

Every function takes and returns uint8 arrays, RGB (h, w, 3) unless said, and leaves its input as it is. Line width
and text size follow the size of the picture. Nothing here is measured on: a picture for people is no input of a stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.uint8]
    Map: TypeAlias = NDArray[np.floating[Any]]
    Colour: TypeAlias = tuple[int, int, int]
    Spot: TypeAlias = tuple[float, float, float, float]

Style = Literal["uniform", "jet"]

TONES: Final[Mapping[str, Colour]] = {
    "face": (255, 255, 255),
    "plain": (86, 180, 233),
    "good": (0, 200, 150),
    "unsure": (240, 190, 40),
    "bad": (240, 100, 60),
}
"""Colours of marks, after Okabe and Ito: told apart by people who see no red or no green."""

_INK: Final = (16, 18, 22)
_SMALLEST: Final = 640
"""Shorter longest sides are enlarged before anything is drawn: labels on a thumbnail would cover it."""


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
    """A box to draw, a word or two about it, and its tone (a key of TONES)."""

    box: Box
    text: str = ""
    tone: str = "plain"


def draw_preview(picture: Pixels, marks: Sequence[Mark], points: Iterable[tuple[float, float]] = ()) -> Pixels:
    """The picture with boxes, their labels and dots. Boxes and points in pixels of ``picture``; they may lie outside.

    A picture with a longest side below 640 comes back enlarged to that. Labels never cover each other where there is
    another place for them.
    """
    canvas, scale = _enlarged(picture)
    line = max(1.0, max(canvas.shape[:2]) / 400)
    for mark in marks:
        _rectangle(canvas, mark, scale, line)
    for x, y in points:
        _dot(canvas, x * scale, y * scale, line * 2.2)
    drawing = Image.fromarray(canvas)
    _labels(ImageDraw.Draw(drawing), marks, scale, drawing.size)
    return np.array(drawing)


def overlay_heat(crop: Pixels, heat: Map, style: Style = "uniform") -> Pixels:
    """A heat map of any size, e.g. (7, 7), laid over a crop; hottest where ``heat`` is largest, whatever its range.

    ``uniform``: a perceptually even map, the stronger the hotter, so that what is cold stays as it is. ``jet``: the
    familiar rainbow at 0.4 over the crop at 0.6. A flat map, or one that is not finite, gives the plain crop.
    """
    height, width = crop.shape[:2]
    if not np.isfinite(heat).all() or float(np.ptp(heat)) <= 0:
        return crop.copy()
    smooth = cv2.resize(heat.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    # Cubic overshoots at edges; the map's own range is the truth.
    low, high = float(heat.min()), float(heat.max())
    level = np.clip((smooth - low) / (high - low), 0, 1)
    colours = cv2.applyColorMap(np.round(level * 255).astype(np.uint8), _COLOUR_MAPS[style])[:, :, ::-1]
    share = np.full((height, width, 1), 0.4) if style == "jet" else 0.6 * level[:, :, None] ** 0.8
    return np.asarray(np.round(crop * (1 - share) + colours * share), np.uint8)


def on_white(cutout: Pixels) -> Pixels:
    """An RGBA cut-out (h, w, 4) laid on white."""
    return _over(cutout, np.full(cutout.shape[:2], 255, np.uint8))


def on_checkerboard(cutout: Pixels) -> Pixels:
    """An RGBA cut-out (h, w, 4) on the grey chequers that say "transparent", 32 of them along the longest side."""
    height, width = cutout.shape[:2]
    cell = max(4, round(max(height, width) / 32))
    rows, columns = np.arange(height)[:, None] // cell, np.arange(width)[None, :] // cell
    return _over(cutout, np.where((rows + columns) % 2, 204, 255).astype(np.uint8))


def contact_sheet(pictures: Sequence[tuple[Pixels, str]], columns: int = 0, side: int = 256) -> Pixels:
    """Pictures of any size in a grid of square tiles of ``side`` pixels, each above its caption.

    ``columns`` 0 picks a sheet a little wider than high. Captions that do not fit are shortened with an ellipsis.
    """
    if not pictures:
        raise ValueError("a contact sheet needs a picture")
    columns = min(len(pictures), columns or max(1, round((1.4 * len(pictures)) ** 0.5)))
    gap, text = max(4, side // 16), max(10, side // 16)
    step_x, step_y = side + gap, side + gap + 2 * text
    size = (gap + columns * step_x, gap + -(-len(pictures) // columns) * step_y)
    sheet = Image.new("RGB", size, (246, 246, 244))
    draw, font = ImageDraw.Draw(sheet), _font(text)
    for place, (picture, caption) in enumerate(pictures):
        left, top = gap + place % columns * step_x, gap + place // columns * step_y
        draw.rectangle((left, top, left + side - 1, top + side - 1), fill=(228, 228, 225))
        tile = _fitted(picture, side)
        sheet.paste(tile, (left + (side - tile.width) // 2, top + (side - tile.height) // 2))
        draw.text((left, top + side + text // 3), _shortened(caption, font, side), font=font, fill=_INK)
    return np.array(sheet)


_COLOUR_MAPS: Final = {"uniform": cv2.COLORMAP_INFERNO, "jet": cv2.COLORMAP_JET}


def _enlarged(picture: Pixels) -> tuple[Pixels, float]:
    height, width = picture.shape[:2]
    scale = max(1.0, _SMALLEST / max(height, width))
    if scale == 1.0:
        return picture.copy(), scale
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8), scale


def _rectangle(canvas: Pixels, mark: Mark, scale: float, line: float) -> None:
    """A box with a dark rim, so that it shows on any background."""
    left, top, right, bottom = _spot(mark.box, scale)
    corners = (round(left), round(top)), (round(right), round(bottom))
    width = max(1, round(line * (1.5 if mark.tone == "face" else 1.0)))
    cv2.rectangle(canvas, *corners, _INK, width + 2, cv2.LINE_AA)
    cv2.rectangle(canvas, *corners, TONES[mark.tone], width, cv2.LINE_AA)


def _dot(canvas: Pixels, x: float, y: float, radius: float) -> None:
    # cv2 takes fixed-point coordinates: 4 bits below the pixel.
    centre = round(x * 16), round(y * 16)
    cv2.circle(canvas, centre, round((radius + 1.5) * 16), _INK, cv2.FILLED, cv2.LINE_AA, 4)
    cv2.circle(canvas, centre, round(radius * 16), (255, 230, 80), cv2.FILLED, cv2.LINE_AA, 4)


def _labels(draw: ImageDraw.ImageDraw, marks: Sequence[Mark], scale: float, size: tuple[int, int]) -> None:
    height = max(13, round(max(size) / 48))
    font, pad = _font(height), max(2, height // 4)
    taken: list[Spot] = []
    regions = [_spot(mark.box, scale) for mark in marks if mark.tone != "face"]
    for mark in marks:
        if mark.text:
            text, box = _shortened(mark.text, font, size[0] - 2 * pad), _spot(mark.box, scale)
            places = _places(box, font.getlength(text) + 2 * pad, height + 2 * pad, size)
            others = [region for region in regions if region != box]
            # The first place that hides least; another label counts for much more than what a box shows.
            plate = _least_hidden(places, taken, others)
            taken.append(plate)
            draw.rounded_rectangle(plate, radius=pad, fill=TONES[mark.tone])
            draw.text((plate[0] + pad, (plate[1] + plate[3]) / 2), text, font=font, fill=_INK, anchor="lm")


def _places(box: Spot, width: float, height: float, size: tuple[int, int]) -> list[Spot]:
    """Where a plate of this size may go: above the box, below it, inside, beside; moved into the picture."""
    left, top, right, bottom = box
    corners = [(left, top - height), (left, bottom), (right - width, top - height), (right - width, bottom)]
    corners += [(left, top), (left, bottom - height), (right, top), (left - width, top)]
    return [_kept_inside(x, y, width, height, size) for x, y in corners]


def _kept_inside(x: float, y: float, width: float, height: float, size: tuple[int, int]) -> Spot:
    x, y = max(0.0, min(x, size[0] - 1 - width)), max(0.0, min(y, size[1] - 1 - height))
    return x, y, x + width, y + height


def _least_hidden(places: Sequence[Spot], labels: Sequence[Spot], regions: Sequence[Spot]) -> Spot:
    return min(places, key=lambda place: round(10 * _hidden(place, labels) + _hidden(place, regions)))


def _hidden(plate: Spot, others: Iterable[Spot]) -> float:
    """How many pixels of the others a plate would cover."""
    return sum(
        max(0.0, min(plate[2], other[2]) - max(plate[0], other[0]))
        * max(0.0, min(plate[3], other[3]) - max(plate[1], other[1]))
        for other in others
    )


def _spot(box: Box, scale: float) -> Spot:
    return box.x * scale, box.y * scale, (box.x + box.width) * scale, (box.y + box.height) * scale


def _over(cutout: Pixels, ground: Pixels) -> Pixels:
    alpha = cutout[:, :, 3:].astype(np.uint16)
    return ((cutout[:, :, :3] * alpha + ground[:, :, None] * (255 - alpha) + 127) // 255).astype(np.uint8)


def _fitted(picture: Pixels, side: int) -> Image.Image:
    image = Image.fromarray(on_checkerboard(picture) if picture.shape[2:] == (4,) else picture).convert("RGB")
    scale = side / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType: labels would not scale")
    return font


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
