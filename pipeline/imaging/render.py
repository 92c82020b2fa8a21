"""Pictures for people: previews, heat maps, cut-outs on a background, contact sheets.

Every function takes and returns uint8 arrays, RGB (h, w, 3) unless said, and leaves its input as it is. Line width
and text size follow the size of the picture. Nothing here is measured on: a picture for people is no input of a stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Literal

import cv2
import numpy as np
from PIL import Image, ImageDraw

from pipeline.imaging.lettering import INK, font, shortened
from pipeline.imaging.marks import TONES, Mark, draw_box, draw_labels

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.uint8]
    Map: TypeAlias = NDArray[np.floating[Any]]

__all__ = [
    "TONES",
    "Mark",
    "Style",
    "contact_sheet",
    "draw_preview",
    "draw_ring",
    "on_checkerboard",
    "on_white",
    "overlay_heat",
    "paint_heat",
    "shrunk",
]

Style = Literal["uniform", "jet"]

_SMALLEST: Final = 640
"""Shorter longest sides are enlarged before anything is drawn: labels on a thumbnail would cover it."""


def draw_preview(picture: Pixels, marks: Sequence[Mark], points: Iterable[tuple[float, float]] = ()) -> Pixels:
    """The picture with boxes, their labels and dots. Boxes and points in pixels of ``picture``; they may lie outside.

    A picture with a longest side below 640 comes back enlarged to that. Labels never cover each other where there is
    another place for them.
    """
    canvas, scale = _enlarged(picture)
    line = max(1.0, max(canvas.shape[:2]) / 400)
    for mark in marks:
        draw_box(canvas, mark, scale, line)
    for x, y in points:
        _dot(canvas, x * scale, y * scale, line * 2.2)
    drawing = Image.fromarray(canvas)
    draw_labels(drawing, marks, scale, line)
    return np.array(drawing)


def draw_ring(picture: Pixels, x: float, y: float, radius: float) -> Pixels:
    """The picture with a circle, centre and radius in its pixels; light on a dark rim, so that it shows on any ground."""
    canvas, line = picture.copy(), max(1, round(max(picture.shape[:2]) / 400))
    centre, size = (round(x * 16), round(y * 16)), round(radius * 16)  # 4 bits below the pixel, as cv2 takes them
    cv2.circle(canvas, centre, size, INK, line + 2, cv2.LINE_AA, 4)
    cv2.circle(canvas, centre, size, TONES["plain"], line, cv2.LINE_AA, 4)
    return canvas


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
    return paint_heat(crop, np.clip((smooth - low) / (high - low), 0, 1), style)


def paint_heat(crop: Pixels, level: Map, style: Style = "uniform") -> Pixels:
    """Heat in 0..1 for each of a crop's pixels, laid over it as ``overlay_heat`` does: for maps that share a scale."""
    colours = cv2.applyColorMap(np.round(level * 255).astype(np.uint8), _COLOUR_MAPS[style])[:, :, ::-1]
    share = np.full((*level.shape, 1), 0.4) if style == "jet" else 0.6 * level[:, :, None] ** 0.8
    return np.asarray(np.round(crop * (1 - share) + colours * share), np.uint8)


def shrunk(picture: Pixels, longest: int) -> Pixels:
    """RGB, or RGBA without fringes, with a longer side of at most ``longest`` pixels; a smaller picture as it is."""
    height, width = picture.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if picture.shape[2] == 3:
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    # Colours count by their alpha, else what is cut away would darken the edge.
    alpha = np.ascontiguousarray(picture[:, :, 3])
    weighed = cv2.multiply(np.ascontiguousarray(picture[:, :, :3]), cv2.merge([alpha] * 3), scale=1 / 255)
    small, seen = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (weighed, alpha))
    colours = np.minimum(small.astype(np.uint16) * 255 // np.maximum(seen, 1)[:, :, None], 255)
    return np.dstack([colours, seen]).astype(np.uint8)


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
    draw, face = ImageDraw.Draw(sheet), font(text)
    for place, (picture, caption) in enumerate(pictures):
        left, top = gap + place % columns * step_x, gap + place // columns * step_y
        draw.rectangle((left, top, left + side - 1, top + side - 1), fill=(228, 228, 225))
        tile = _fitted(picture, side)
        sheet.paste(tile, (left + (side - tile.width) // 2, top + (side - tile.height) // 2))
        draw.text((left, top + side + text // 3), shortened(caption, face, side), font=face, fill=INK)
    return np.array(sheet)


_COLOUR_MAPS: Final = {"uniform": cv2.COLORMAP_INFERNO, "jet": cv2.COLORMAP_JET}


def _enlarged(picture: Pixels) -> tuple[Pixels, float]:
    height, width = picture.shape[:2]
    scale = max(1.0, _SMALLEST / max(height, width))
    if scale == 1.0:
        return picture.copy(), scale
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8), scale


def _dot(canvas: Pixels, x: float, y: float, radius: float) -> None:
    # cv2 takes fixed-point coordinates: 4 bits below the pixel.
    centre = round(x * 16), round(y * 16)
    cv2.circle(canvas, centre, round((radius + 1.5) * 16), INK, cv2.FILLED, cv2.LINE_AA, 4)
    cv2.circle(canvas, centre, round(radius * 16), (255, 230, 80), cv2.FILLED, cv2.LINE_AA, 4)


def _over(cutout: Pixels, ground: Pixels) -> Pixels:
    alpha = cutout[:, :, 3:].astype(np.uint16)
    return ((cutout[:, :, :3] * alpha + ground[:, :, None] * (255 - alpha) + 127) // 255).astype(np.uint8)


def _fitted(picture: Pixels, side: int) -> Image.Image:
    image = Image.fromarray(on_checkerboard(picture) if picture.shape[2:] == (4,) else picture).convert("RGB")
    scale = side / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)
