"""Network inputs with a part hidden under their mean colour: what a classifier then loses says whether it mattered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Mask: TypeAlias = NDArray[np.bool_]
    Tensor: TypeAlias = NDArray[Any]


def occluded(picture: Tensor, grid: int, planes: bool) -> Tensor:
    """``grid``² copies of a network input, [h,w,3] or as planes [3,h,w], each with one patch in its mean colour."""
    masks = np.zeros((grid * grid, *_size(picture, planes)), bool)
    rows, columns = (np.linspace(0, side, grid + 1).round().astype(int) for side in masks.shape[1:])
    for index, mask in enumerate(masks):
        row, column = divmod(index, grid)
        mask[rows[row] : rows[row + 1], columns[column] : columns[column + 1]] = True
    return np.stack([hidden(picture, mask, planes) for mask in masks])


def hottest(heat: Floats, share: float, size: tuple[int, int]) -> Mask:
    """The hottest ``share`` of a picture of ``size`` (h, w) by a map of any size; ties are broken by position."""
    smooth = cv2.resize(heat, (size[1], size[0]), interpolation=cv2.INTER_CUBIC).ravel()
    mask = np.zeros(smooth.size, bool)
    mask[np.argsort(-smooth, kind="stable")[: max(1, round(share * smooth.size))]] = True
    return mask.reshape(size)


def hidden(picture: Tensor, mask: Mask, planes: bool) -> Tensor:
    """A network input with the mean colour of the whole where ``mask`` [h,w] is set."""
    pixels = np.array(picture.transpose(1, 2, 0) if planes else picture)
    pixels[mask] = pixels.mean(axis=(0, 1), dtype=np.float64).astype(pixels.dtype)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1) if planes else pixels)


def _size(picture: Tensor, planes: bool) -> tuple[int, int]:
    height, width = picture.shape[1:] if planes else picture.shape[:2]
    return height, width
