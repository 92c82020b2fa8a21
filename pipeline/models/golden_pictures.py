"""Golden pictures as recipes, so that no picture file is needed where a model is verified.

``{"scene": seed, "size": [h, w]}`` is painted from whole numbers alone and is the same on every machine;
``{"pixels": text, "size": [h, w]}`` holds somebody's own picture: its RGB bytes, deflated, in base 64. A model that takes
named numbers instead of a picture gets ``{"numbers": seed, "count": n}``.
"""

from __future__ import annotations

import base64
import random
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    from pipeline.models.input_spec import InputSpec

    Pixels: TypeAlias = NDArray[np.uint8]

LONGEST_SIDE: Final = 512
"""A golden picture is small: it travels in a row and in JSON."""

MOST_NUMBERS: Final = 65_536

SCENES: Final = tuple({"scene": seed, "size": [160, 160 + 16 * (seed % 5)]} for seed in range(1, 13))
"""What a model is held to unless its maker gives better pictures: twelve painted ones."""


class RecipeError(ValueError):
    """A recipe that no picture can be made of."""


def recipes_for(spec: InputSpec) -> Sequence[Mapping[str, Any]]:
    """The recipes that a model with this input is held to when nobody gives others."""
    numbers = getattr(spec, "features", ())  # an input of named numbers has no pixels
    return [{"numbers": seed, "count": len(numbers)} for seed in range(1, 13)] if numbers else SCENES


def paint(recipe: Mapping[str, Any]) -> NDArray[Any]:
    """The picture, uint8 RGB (h, w, 3), or numbers, float64 (n,) in -1..1. Raises RecipeError."""
    try:
        if "numbers" in recipe:
            return _numbers(int(recipe["numbers"]), int(recipe["count"]))
        height, width = (int(side) for side in recipe["size"])
        if not 8 <= min(height, width) <= max(height, width) <= LONGEST_SIDE:
            raise RecipeError(f"a golden picture has sides of 8 to {LONGEST_SIDE} pixels, not {recipe['size']}")
        if "scene" in recipe:
            return _scene(int(recipe["scene"]), height, width)
        return _unpacked(str(recipe["pixels"]), height, width)
    except RecipeError:
        raise
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise RecipeError(f"not the recipe of a picture: {error}") from error


def recipe_of(pixels: Pixels) -> dict[str, Any]:
    """A recipe that holds a picture (h, w, 3) itself. Raises RecipeError for one that is too large."""
    height, width = pixels.shape[:2]
    if max(height, width) > LONGEST_SIDE:
        raise RecipeError(f"a golden picture has sides of at most {LONGEST_SIDE} pixels")
    return {"pixels": base64.b64encode(zlib.compress(pixels.tobytes(), 9)).decode(), "size": [height, width]}


def _numbers(seed: int, count: int) -> NDArray[np.float64]:
    if not 1 <= count <= MOST_NUMBERS:
        raise RecipeError(f"1 to {MOST_NUMBERS} numbers, not {count}")
    dice = random.Random(seed)  # noqa: S311  the same numbers for ever, no secret
    return np.array([dice.random() * 2 - 1 for _ in range(count)])


def _unpacked(text: str, height: int, width: int) -> Pixels:
    inflater = zlib.decompressobj()
    wanted = height * width * 3
    content = inflater.decompress(base64.b64decode(text, validate=True), wanted)
    if len(content) != wanted or inflater.decompress(inflater.unconsumed_tail, 1):
        raise RecipeError(f"not {height} × {width} pixels")
    return np.frombuffer(content, np.uint8).reshape(height, width, 3)


def _scene(seed: int, height: int, width: int) -> Pixels:
    """A slope of colours with a dozen discs on it, some of them striped."""
    dice = random.Random(seed)  # noqa: S311  the same pictures for ever, no secret
    y, x = np.mgrid[0:height, 0:width]
    base, down, across = ([dice.randrange(low, high) for _ in range(3)] for low, high in ((0, 256), (-2, 3), (-2, 3)))
    picture = np.stack([b + y * d + x * a for b, d, a in zip(base, down, across, strict=True)], axis=2)
    for _ in range(12):
        centre_y, centre_x = dice.randrange(height), dice.randrange(width)
        radius = dice.randrange(6, max(8, height // 3))
        colour = np.array([dice.randrange(256) for _ in range(3)])
        inside = (y - centre_y) ** 2 + (x - centre_x) ** 2 < radius * radius
        if dice.randrange(3) == 0:
            inside &= (x + y) // dice.randrange(3, 9) % 2 == 0
        picture[inside] = colour
    return np.asarray(np.clip(picture, 0, 255), np.uint8)
