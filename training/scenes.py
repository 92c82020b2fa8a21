"""Training scenes for the head detector: one picture turned and scaled, or four in a mosaic."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from training import augment
from training.data import Floats, Pixels, as_pixels
from training.faces import Face

SMALLEST: Final = 0.08
LARGEST: Final = 1.05
"""Side of the head as a share of the scene's side."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A square picture and its heads [K,3]: cx, cy, side in its pixels."""

    pixels: Pixels
    heads: Floats


def draw_scene(
    rng: np.random.Generator, faces: list[Face], images: list[Pixels], empties: list[Pixels], size: int
) -> Scene:
    """A random scene; about a fifth have no head."""
    chance = rng.random()
    if chance < 0.3:
        scene = mosaic(rng, faces, images, empties, size)
    elif chance < 0.45:
        scene = without_head(rng, empties, size)
    else:
        index = int(rng.integers(len(faces)))
        behind = empties[int(rng.integers(len(empties)))] if rng.random() < 0.4 else None
        scene = with_head(rng, faces[index], images[index], size, behind)
    if rng.random() < 0.5:
        scene = mirrored(scene)
    return Scene(augment.colour(rng, scene.pixels), scene.heads)


def with_head(rng: np.random.Generator, face: Face, image: Pixels, size: int, behind: Pixels | None = None) -> Scene:
    """Either the letterboxed picture, jittered, or the head at any size anywhere, on grey or on a picture."""
    if rng.random() < 0.5:
        scale = size / max(image.shape[:2]) * float(np.exp(rng.normal(0, 0.2)))
        middle = (image.shape[1] / 2, image.shape[0] / 2)
        to = (size / 2 + float(rng.normal(0, 0.06)) * size, size / 2 + float(rng.normal(0, 0.06)) * size)
        matrix = augment.similarity(middle, scale, tilt(rng, 8), to)
    else:
        side = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))) * size
        free = max(0.0, size - side) / 2 + 0.12 * side
        to = (size / 2 + float(rng.uniform(-free, free)), size / 2 + float(rng.uniform(-free, free)))
        matrix = augment.squeezed(rng, augment.similarity(face.centre, side / face.side, tilt(rng, 15), to), to)
    pixels = augment.warp(image, matrix, size, fill=background(rng))
    if behind is not None:
        covered = augment.warp(np.full_like(image, 255), matrix, size, fill=0)
        pixels = np.where(covered > 127, pixels, augment.squash(behind, size))
    return Scene(pixels, head_in(face, matrix, size))


def tilt(rng: np.random.Generator, usual: float) -> float:
    """Degrees: mostly upright, a sixth of the heads lying or hanging, since the labels hold upright ones only."""
    return float(rng.uniform(-90, 90)) if rng.random() < 0.17 else float(rng.normal(0, usual))


def background(rng: np.random.Generator) -> int:
    """Mostly the letterbox grey."""
    return augment.GREY if rng.random() < 0.7 else int(rng.integers(0, 256))


def head_in(face: Face, matrix: Floats, size: int) -> Floats:
    """The head after the matrix: [1,3], or [0,3] when its centre left the scene."""
    where = augment.transform(np.array([face.centre], np.float32), matrix)[0]
    side = face.side * float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if not (0 <= where[0] < size and 0 <= where[1] < size):
        return np.zeros((0, 3), np.float32)
    return np.array([[where[0], where[1], side]], np.float32)


def without_head(rng: np.random.Generator, empties: list[Pixels], size: int) -> Scene:
    """A picture without a cat, letterboxed or cropped."""
    image = empties[int(rng.integers(len(empties)))]
    scale = size / max(image.shape[:2]) * float(np.exp(rng.uniform(-0.2, 0.9)))
    where = (float(rng.uniform(0.3, 0.7)) * image.shape[1], float(rng.uniform(0.3, 0.7)) * image.shape[0])
    matrix = augment.similarity(where, scale, float(rng.normal(0, 10)), (size / 2, size / 2))
    return Scene(augment.warp(image, matrix, size, fill=background(rng)), np.zeros((0, 3), np.float32))


def mosaic(
    rng: np.random.Generator, faces: list[Face], images: list[Pixels], empties: list[Pixels], size: int
) -> Scene:
    """Four scenes around a random middle."""
    middle_x, middle_y = (int(rng.uniform(0.35, 0.65) * size) for _ in range(2))
    canvas, heads = np.empty((size, size, 3), np.uint8), []
    for right in (False, True):
        for low in (False, True):
            width = size - middle_x if right else middle_x
            height = size - middle_y if low else middle_y
            part = tile(rng, faces, images, empties, max(width, height))
            x, y = (middle_x if right else 0), (middle_y if low else 0)
            canvas[y : y + height, x : x + width] = part.pixels[:height, :width]
            inside = part.heads[(part.heads[:, 0] < width) & (part.heads[:, 1] < height)]
            heads.append(inside + np.array([x, y, 0], np.float32))
    return Scene(as_pixels(canvas), np.concatenate(heads))


def tile(rng: np.random.Generator, faces: list[Face], images: list[Pixels], empties: list[Pixels], size: int) -> Scene:
    """One quarter of a mosaic."""
    if rng.random() < 0.4:
        return without_head(rng, empties, size)
    index = int(rng.integers(len(faces)))
    return with_head(rng, faces[index], images[index], size)


def mirrored(scene: Scene) -> Scene:
    """Left and right exchanged."""
    heads = scene.heads.copy()
    heads[:, 0] = len(scene.pixels) - heads[:, 0]
    return Scene(as_pixels(np.ascontiguousarray(scene.pixels[:, ::-1])), heads)
