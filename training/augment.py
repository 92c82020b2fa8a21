"""Random but seeded changes of pictures; every function takes the generator it draws from."""

from typing import Final

import cv2
import numpy as np

from training.data import Floats, Pixels, as_pixels

GREY: Final = 114
"""Fill value outside the picture, the same as in serving."""


def warp(image: Pixels, matrix: Floats, size: int, fill: int = GREY) -> Pixels:
    """Apply a 2x3 matrix (picture to output pixels) into a square of `size` pixels."""
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if shrink < 0.5:  # bilinear sampling alone would alias
        image = as_pixels(cv2.resize(image, None, fx=2 * shrink, fy=2 * shrink, interpolation=cv2.INTER_AREA))
        matrix = np.column_stack([matrix[:, :2] / (2 * shrink), matrix[:, 2]]).astype(np.float32)
    flags = cv2.INTER_LINEAR
    border = (fill, fill, fill)
    return as_pixels(
        cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=border)
    )


def similarity(centre: tuple[float, float], scale: float, degrees: float, to: tuple[float, float]) -> Floats:
    """2x3 matrix that turns about `centre`, scales and moves `centre` to `to`."""
    angle = np.deg2rad(degrees)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    x, y = centre
    return np.array([[cos, -sin, to[0] - cos * x + sin * y], [sin, cos, to[1] - sin * x - cos * y]], np.float32)


def squeezed(rng: np.random.Generator, matrix: Floats, about: tuple[float, float]) -> Floats:
    """A sixth of the time narrowed to 0.65..1 about a place in the output, as a head half turned away is."""
    if rng.random() > 0.17:
        return matrix
    narrow, changed = float(rng.uniform(0.65, 1.0)), matrix.copy()
    changed[0] *= narrow
    changed[0, 2] += about[0] * (1 - narrow)
    return changed


def transform(points: Floats, matrix: Floats) -> Floats:
    """Apply a 2x3 matrix to points [K,2]."""
    return (points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def colour(rng: np.random.Generator, image: Pixels, strength: float = 1.0) -> Pixels:
    """Gain, offset, colour cast, saturation, sometimes blur, noise or JPEG marks."""
    gain = 1 + strength * rng.uniform(-0.3, 0.3)
    cast = 1 + strength * rng.uniform(-0.08, 0.08, 3)
    offset = strength * rng.uniform(-25, 25)
    saturation = 1 + strength * rng.uniform(-0.5, 0.3)
    if rng.random() < 0.08 * strength:
        saturation = 0.0
    mix = saturation * np.eye(3) + (1 - saturation) / 3
    changed = as_pixels(cv2.transform(image, np.column_stack([mix * (gain * cast), np.full(3, offset)])))
    if rng.random() < 0.15 * strength:
        deviation = np.float32(rng.uniform(2, 10))
        noisy = changed + deviation * rng.standard_normal(changed.shape, np.float32)
        changed = as_pixels(np.clip(noisy, 0, 255))
    if rng.random() < 0.15 * strength:
        changed = as_pixels(cv2.GaussianBlur(changed, (0, 0), rng.uniform(0.4, 1.5)))
    if rng.random() < 0.15 * strength:
        changed = jpeg(changed, int(rng.integers(30, 80)))
    return changed


def jpeg(image: Pixels, quality: int) -> Pixels:
    """Through a JPEG encoder and back."""
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return as_pixels(cv2.imdecode(encoded, cv2.IMREAD_COLOR))


def random_view(rng: np.random.Generator, image: Pixels, size: int, least: float = 0.45) -> Pixels:
    """A random crop of `least`..1 of the area, stretched to a square, flipped half the time."""
    height, width = image.shape[:2]
    area = height * width * rng.uniform(least, 1.0)
    ratio = float(np.exp(rng.uniform(np.log(0.75), np.log(1.33))))
    w, h = min(width, int(np.sqrt(area * ratio))), min(height, int(np.sqrt(area / ratio)))
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    crop = image[y : y + h, x : x + w]
    view = as_pixels(cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA if w > size else cv2.INTER_LINEAR))
    return as_pixels(view[:, ::-1]) if rng.random() < 0.5 else view


def resized_mask(mask: Pixels, image: Pixels) -> Pixels:
    """A mask at its picture's size."""
    if mask.shape == image.shape[:2]:
        return mask
    return as_pixels(cv2.resize(mask, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_AREA))


def pasted(rng: np.random.Generator, image: Pixels, mask: Pixels, behind: Pixels, size: int) -> Pixels:
    """The subject under a mask [H,W], 0 or 255, at 0.25..0.95 of the frame's side, before another picture."""
    rows, columns = np.flatnonzero(mask.max(axis=1)), np.flatnonzero(mask.max(axis=0))
    if not len(rows):
        return random_view(rng, image, size)
    tall, wide = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
    side = float(rng.uniform(0.25, 0.95)) * size
    free = max(0.0, size - side) / 2
    to = (size / 2 + float(rng.uniform(-free, free)), size / 2 + float(rng.uniform(-free, free)))
    middle = (float(columns[0]) + wide / 2, float(rows[0]) + tall / 2)
    matrix = similarity(middle, side / max(tall, wide), float(rng.normal(0, 8)), to)
    alpha = warp(np.dstack([mask] * 3), matrix, size, fill=0)
    alpha = as_pixels(cv2.GaussianBlur(alpha, (0, 0), 0.8))
    subject = colour(rng, warp(image, matrix, size), 0.5).astype(np.float32)
    share = alpha.astype(np.float32) / 255
    return as_pixels(subject * share + random_view(rng, behind, size, 0.3) * (1 - share))


def drawing(rng: np.random.Generator, image: Pixels) -> Pixels:
    """A cartoon or pencil rendering of a photo: what a validator must not take for an animal."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    grey = cv2.medianBlur(grey, 5)
    block = int(rng.choice([7, 9, 11]))
    lines = cv2.adaptiveThreshold(
        grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, block, int(rng.integers(3, 8))
    )
    if rng.random() < 0.5:
        return as_pixels(np.repeat(lines[:, :, None], 3, axis=2))
    levels = int(rng.integers(3, 6))
    flat = cv2.bilateralFilter(image, 9, 90, 9).astype(np.float32)
    flat = np.asarray(np.round(flat / 255 * levels) / levels * 255, np.float32)
    return as_pixels(np.where(lines[:, :, None] == 0, 0, flat))


def squash(image: Pixels, size: int) -> Pixels:
    """Resize to a square without keeping the ratio: the validator's and the matte's serving form."""
    shrinks = min(image.shape[:2]) > size
    return as_pixels(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))


def letterbox(image: Pixels, size: int) -> tuple[Pixels, Floats]:
    """The whole picture centred on a grey square, and the 2x3 matrix that put it there."""
    height, width = image.shape[:2]
    scale = size / max(height, width)
    matrix = similarity((width / 2, height / 2), scale, 0.0, (size / 2, size / 2))
    return warp(image, matrix, size), matrix


def stacked(images: list[Pixels]) -> Pixels:
    """Pictures of one size as a batch."""
    return np.stack(images)


def unit(images: list[Pixels] | Pixels) -> Floats:
    """0..255 to -1..1, the input range of every network here but the matte."""
    return np.asarray(np.stack(list(images)).astype(np.float32) / 127.5 - 1, np.float32)
