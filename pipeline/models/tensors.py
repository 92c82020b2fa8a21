"""Pictures to network inputs, as the manifest's ``[model.input]`` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from numpy.typing import NDArray

    from pipeline.models.input_spec import InputSpec

    Pixels: TypeAlias = NDArray[np.uint8]
    Floats: TypeAlias = NDArray[np.float32]
    Tensor: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Letterbox:
    """Where a picture lies in its letterboxed input: input = picture × ``scale`` + offset, in pixels."""

    scale_x: float
    scale_y: float
    x: int
    y: int


def to_batch(pictures: Sequence[Pixels], spec: InputSpec) -> Tensor:
    """Pictures of any sizes to one batch, [N,h,w,3] or [N,3,h,w] (1 for grey), of the spec's type; each by itself."""
    return np.stack([to_input(picture, spec) for picture in pictures])


def to_input(picture: Pixels, spec: InputSpec) -> Tensor:
    """One picture, resized, coloured, scaled and laid out."""
    pixels = squash(picture, spec.size) if spec.letterbox is None else letterbox(picture, spec.size, spec.letterbox)
    if spec.colour == "BGR":
        pixels = pixels[:, :, ::-1]
    elif spec.colour == "GREY":
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)[:, :, None]
    values = pixels if spec.dtype == "uint8" else normalise(pixels, spec)
    return np.ascontiguousarray(values.transpose(2, 0, 1) if spec.layout == "NCHW" else values)


def normalise(pixels: Pixels, spec: InputSpec) -> Floats:
    """(pixel / scale - mean) / std, in float32. A black picture under scale "max" stays zero before the mean."""
    scale = float(max(int(pixels.max()), 1)) if spec.scale == "max" else float(spec.scale)
    mean, std = np.array(spec.mean, np.float32), np.array(spec.std, np.float32)
    return np.asarray((pixels.astype(np.float32) / np.float32(scale) - mean) / std, np.float32)


def squash(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize to (height, width) without keeping the ratio: by area when it shrinks, else bilinear."""
    if picture.shape[:2] == size:
        return picture
    shrinks = min(picture.shape[:2]) > min(size)
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (size[1], size[0]), interpolation=way), np.uint8)


def place(picture: Pixels, size: tuple[int, int]) -> tuple[Letterbox, tuple[int, int]]:
    """Where a letterboxed picture lies, centred, and its size there (height, width)."""
    height, width = picture.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    where = Letterbox(inner[1] / width, inner[0] / height, (size[1] - inner[1]) // 2, (size[0] - inner[0]) // 2)
    return where, inner


def letterbox(picture: Pixels, size: tuple[int, int], fill: int) -> Pixels:
    """Resize to fit, keep the ratio, centre on grey."""
    where, inner = place(picture, size)
    canvas = np.full((*size, 3), fill, np.uint8)
    canvas[where.y : where.y + inner[0], where.x : where.x + inner[1]] = squash(picture, inner)
    return canvas
