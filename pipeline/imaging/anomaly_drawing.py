"""A map of what is odd, drawn for people: over the picture with its scale, cut by its mask, with its boxes.

Thermograms are coloured already, so the picture below a map is grey. Every function leaves its input as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from PIL import Image, ImageDraw

from pipeline.contracts import BoundingBox
from pipeline.imaging.lettering import INK, font
from pipeline.imaging.marks import Mark
from pipeline.imaging.render import draw_preview

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.uint8]

PAPER: Final = (246, 246, 244)
DIMMED: Final = 0.35
"""What is left of the brightness of what is not odd."""
SMALLEST: Final = 640
"""A shorter longest side is enlarged to it: a scale beside a thumbnail could not be read."""
_COLOURS: Final = cv2.COLORMAP_INFERNO
"""Even steps of brightness, also in print and for people who see no red or green."""


def overlay(picture: Pixels, heat: Pixels, shown_to: float) -> Pixels:
    """The picture in grey below the map (grey, any size; white is ``shown_to`` limits), its colour bar beside it.

    What is cold stays as it is; colours are strongest at the top of the scale, which is the same for every picture.
    """
    canvas = _enlarged(picture)
    level = _grown(heat, canvas)[:, :, None].astype(np.float32) / 255
    colours = _coloured(np.round(level[:, :, 0] * 255).astype(np.uint8))
    share = 0.7 * np.clip(level * shown_to - 0.5, 0, 1)
    mixed = np.round(_grey(canvas) * (1 - share) + colours * share).astype(np.uint8)
    return np.hstack([mixed, _bar(mixed.shape[0], shown_to)])


def filtered(picture: Pixels, mask: Pixels) -> Pixels:
    """The picture's own colours inside the mask (grey, any size), dark grey outside."""
    inside = grown_mask(mask, picture)[:, :, None] > 0
    return np.where(inside, picture, np.round(_grey(picture) * DIMMED).astype(np.uint8))


def bounded(picture: Pixels, boxes: Sequence[Mapping[str, Any]]) -> Pixels:
    """The picture with boxes in blue, which no warm palette has, each with its type and confidence."""
    marks = [
        Mark(
            BoundingBox(*(box[side] for side in ("x", "y", "width", "height"))),
            f"{box['type']} {box['confidence']:.2f}",
        )
        for box in boxes
    ]
    return draw_preview(picture, marks)


def grown_mask(mask: Pixels, picture: Pixels) -> Pixels:
    """A mask of 0 and 255 at the size of the picture."""
    return np.where(_grown(mask, picture) >= 128, np.uint8(255), np.uint8(0))


def _grown(grey: Pixels, picture: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _enlarged(picture: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    scale = SMALLEST / max(height, width)
    if scale <= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _grey(picture: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)


def _coloured(grey: Pixels) -> Pixels:
    return np.asarray(cv2.applyColorMap(grey, _COLOURS)[:, :, ::-1], np.uint8)


def _bar(height: int, shown_to: float) -> Pixels:
    """A colour bar (height, w, 3): a number at each limit, and what a limit is."""
    text = max(13, height // 26)
    face, pad = font(text), text
    top, bottom = 3 * text, height - 2 * text
    panel = Image.new("RGB", (round(8.8 * text), height), PAPER)
    ramp = np.linspace(255, 0, max(2, bottom - top)).round().astype(np.uint8)[:, None].repeat(2 * text, axis=1)
    panel.paste(Image.fromarray(_coloured(ramp)), (pad, top))
    draw = ImageDraw.Draw(panel)
    draw.rectangle((pad - 1, top - 1, pad + 2 * text, bottom), outline=INK)
    draw.text((pad, text), "oddness", font=face, fill=INK)
    for limits in range(int(shown_to) + 1):
        y = bottom - (bottom - top) * limits / shown_to
        draw.line((pad + 2 * text, y, pad + 2.4 * text, y), fill=INK, width=max(1, text // 10))
        draw.text((pad + 2.8 * text, y), _tick(limits, int(shown_to)), font=face, fill=INK, anchor="lm")
    return np.array(panel)


def _tick(limits: int, most: int) -> str:
    if limits == 1:
        return "1 limit"
    return f"{limits} and up" if limits == most else str(limits)
