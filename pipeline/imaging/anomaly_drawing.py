"""A map of what is odd, drawn for people: over the picture with its scale, cut by its mask, with its boxes.

Thermograms are coloured already, so the picture below a map is grey. Every function leaves its input as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    Floats: TypeAlias = NDArray[np.floating[Any]]
    Ticks: TypeAlias = list[tuple[float, str]]

PAPER: Final = (246, 246, 244)
DIMMED: Final = 0.35
"""What is left of the brightness of what is not odd."""
SMALLEST: Final = 640
"""A shorter longest side is enlarged to it: a scale beside a thumbnail could not be read."""
_COLOURS: Final = cv2.COLORMAP_INFERNO
"""Even steps of brightness, also in print and for people who see no red or green."""


def overlay(picture: Pixels, heat: Pixels, shown_to: float, plane: Floats | None = None) -> Pixels:
    """The picture in grey below the map (grey, any size; white is ``shown_to`` limits), its colour bar beside it.

    What is cold stays as it is; colours are strongest at the top of the scale, which is the same for every picture. Of a
    ``plane`` of temperatures, °C, the greys are made instead: they get a bar of their own, and the hottest place a mark.
    """
    canvas = _enlarged(picture)
    scale = None if plane is None else Warmth.of(plane)
    if plane is not None and scale is not None:
        canvas = _marked(_as_grey(plane, scale, canvas), plane)
    level = _grown(heat, canvas)[:, :, None].astype(np.float32) / 255
    colours = _coloured(np.round(level[:, :, 0] * 255).astype(np.uint8))
    share = 0.7 * np.clip(level * shown_to - 0.5, 0, 1)
    mixed = np.round(_grey(canvas) * (1 - share) + colours * share).astype(np.uint8)
    bars = [_bar(mixed.shape[0], "oddness", _COLOURS, _limits(int(shown_to)))]
    if scale is not None:
        bars.append(_bar(mixed.shape[0], "°C", None, scale.ticks))
    return np.hstack([mixed, *bars])


def filtered(picture: Pixels, mask: Pixels) -> Pixels:
    """The picture's own colours inside the mask (grey, any size), dark grey outside."""
    inside = grown_mask(mask, picture)[:, :, None] > 0
    return np.where(inside, picture, np.round(_grey(picture) * DIMMED).astype(np.uint8))


def bounded(picture: Pixels, boxes: Sequence[Mapping[str, Any]], warmest: Sequence[Mapping[str, Any]] = ()) -> Pixels:
    """The picture with boxes in blue, which no warm palette has, each with its type and confidence.

    ``warmest`` has the ``max`` of each box in °C where temperatures are known.
    """
    degrees = [box["max"] for box in warmest] or [None] * len(boxes)
    marks = [
        Mark(
            BoundingBox(*(box[side] for side in ("x", "y", "width", "height"))),
            f"{box['type']} {box['confidence']:.2f}{'' if most is None else f', {most:.1f} °C'}",
        )
        for box, most in zip(boxes, degrees, strict=True)
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


def _coloured(grey: Pixels, colours: int | None = _COLOURS) -> Pixels:
    if colours is None:
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)
    return np.asarray(cv2.applyColorMap(grey, colours)[:, :, ::-1], np.uint8)


@dataclass(frozen=True)
class Warmth:
    """The temperatures, °C, that black and white stand for, at least a degree apart."""

    low: float
    high: float

    @classmethod
    def of(cls, plane: Floats) -> Warmth:
        """All but the coldest and the hottest thousandth, which may be one broken pixel or a reflection of the sky."""
        low, high = (float(each) for each in np.nanpercentile(plane, (0.1, 99.9)))
        return cls(low, max(high, low + 1))

    @property
    def ticks(self) -> Ticks:
        """Round numbers inside, at most seven: 1, 2 or 5 times a power of ten apart."""
        rough = (self.high - self.low) / 6
        power = 10 ** np.floor(np.log10(rough))
        step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough)
        digits = max(0, -int(np.floor(np.log10(step))))
        values = np.arange(np.ceil(self.low / step), np.floor(self.high / step) + 1) * step
        return [(self.share(value), f"{value + 0.0:.{digits}f}") for value in values]

    def share(self, degrees: Any) -> Any:
        """0 at black, 1 at white."""
        return np.clip((degrees - self.low) / (self.high - self.low), 0, 1)


def _as_grey(plane: Floats, scale: Warmth, canvas: Pixels) -> Pixels:
    level = np.nan_to_num(scale.share(plane)) * 255
    return _coloured(_grown(np.round(level).astype(np.uint8), canvas), None)


def _marked(canvas: Pixels, plane: Floats) -> Pixels:
    """A ring around the hottest place, with its temperature."""
    row, column = np.unravel_index(np.nanargmax(plane), plane.shape)
    height, width = canvas.shape[:2]
    x, y = (column + 0.5) * width / plane.shape[1], (row + 0.5) * height / plane.shape[0]
    size = max(14, height // 28)
    face, text = font(size), f"{np.nanmax(plane):.1f} °C"
    image = Image.fromarray(canvas)
    draw = ImageDraw.Draw(image)
    draw.circle((x, y), size / 2, outline=INK, width=max(3, size // 5))
    draw.circle((x, y), size / 2 - 1, outline=PAPER, width=max(1, size // 10))
    left = x + size if x + size + face.getlength(text) < width else x - size - face.getlength(text)
    top = min(max(y, size), height - size)
    draw.text((left, top), text, font=face, fill=PAPER, stroke_width=2, stroke_fill=INK, anchor="lm")
    return np.array(image)


def _bar(height: int, title: str, colours: int | None, ticks: Ticks) -> Pixels:
    """A colour bar (height, w, 3) with a number at each tick: its share of the bar from below, and its text."""
    text = max(13, height // 26)
    face, pad = font(text), text
    top, bottom = 3 * text, height - 2 * text
    panel = Image.new("RGB", (round(8.8 * text), height), PAPER)
    ramp = np.linspace(255, 0, max(2, bottom - top)).round().astype(np.uint8)[:, None].repeat(2 * text, axis=1)
    panel.paste(Image.fromarray(_coloured(ramp, colours)), (pad, top))
    draw = ImageDraw.Draw(panel)
    draw.rectangle((pad - 1, top - 1, pad + 2 * text, bottom), outline=INK)
    draw.text((pad, text), title, font=face, fill=INK)
    for share, told in ticks:
        y = bottom - (bottom - top) * share
        draw.line((pad + 2 * text, y, pad + 2.4 * text, y), fill=INK, width=max(1, text // 10))
        draw.text((pad + 2.8 * text, y), told, font=face, fill=INK, anchor="lm")
    return np.array(panel)


def _limits(most: int) -> Ticks:
    """A tick at each limit."""
    told = {1: "1 limit", most: f"{most} and up"}
    return [(limits / most, told.get(limits, str(limits))) for limits in range(most + 1)]
