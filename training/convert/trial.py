"""The pictures a network and its conversion are compared on, made alike on both sides of the wall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelRefused
from pipeline.models.input_spec import InputSpec, ManifestError
from pipeline.models.tensors import to_batch

SIDE: Final = 256
"""Pixels; every network resizes to its own size."""
MAX_SIDE: Final = 2048


def noise(seed: int = 0) -> list[NDArray[np.uint8]]:
    """Pictures of our own: three of noise at several grains, a black, a white and a coloured one with an edge."""
    rng = np.random.default_rng(seed)
    grains = [rng.integers(0, 256, (SIDE // grain, SIDE // grain, 3), np.uint8) for grain in (1, 8, 64)]
    noisy = [np.asarray(each.repeat(SIDE // len(each), 0).repeat(SIDE // len(each), 1), np.uint8) for each in grains]
    edge = np.full((SIDE, SIDE, 3), (200, 90, 30), np.uint8)
    edge[:, SIDE // 3 :] = (20, 160, 220)
    return [*noisy, np.zeros((SIDE, SIDE, 3), np.uint8), np.full((SIDE, SIDE, 3), 255, np.uint8), edge]


def spec_of(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> InputSpec:
    """The input as the description wants it and the network has it.

    ``wanted``: InputSpec's fields, ``size`` and ``layout`` perhaps None. ``found``: name, dtype, and shape [N,...],
    unknown sides None. Raises ModelRefused when they do not fit, or when nobody says the size.
    """
    sides = list(found["shape"])
    if len(sides) != 4:
        raise ModelRefused(f"its input has the shape {sides}; a network for pictures takes [N,h,w,3] or [N,3,h,w]")
    if sides[0] not in (None, 1):
        raise ModelRefused(f"it takes {sides[0]} pictures at a time and no other number: leave that open, or make it 1")
    layout = wanted.get("layout") or ("NHWC" if sides[3] == 3 else "NCHW")
    channels, *size = (sides[3], sides[1], sides[2]) if layout == "NHWC" else sides[1:]
    if channels not in (3, None):
        raise ModelRefused(f"its input has {channels} channels; pictures have three")
    asked = wanted.get("size")
    if asked and any(side not in (want, None) for want, side in zip(asked, size, strict=True)):
        raise ModelRefused(f"its input is {size}, not {list(asked)}")
    size = list(asked or size)
    if any(type(side) is not int for side in size):
        raise ModelRefused("its input has no fixed size: say which (--size)")
    if not 8 <= min(size) <= max(size) <= MAX_SIDE:
        raise ModelRefused(f"its input is {size[0]} x {size[1]}; sides of 8 to {MAX_SIDE} are taken")
    fields: dict[str, Any] = {
        **wanted,
        "name": str(found["name"]),
        "size": tuple(size),
        "layout": layout,
        "dtype": str(found["dtype"]),
    }
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    try:
        return InputSpec(**given)
    except (ManifestError, TypeError) as error:
        raise ModelRefused(str(error)) from error


def batch_of(pictures: Sequence[NDArray[np.uint8]], spec: InputSpec) -> NDArray[Any]:
    """Pictures as the network's input [K,...], by the same code that serves."""
    return np.asarray(to_batch(pictures, spec))


def one_by_one(run: Any, batch: NDArray[Any]) -> list[NDArray[np.float32]]:
    """Each output over the batch [K,...], ``run`` called with one picture [1,...] at a time, as serving on a CPU does.

    Raises ModelRefused for an output that is not finite or does not begin with the batch.
    """
    found = [[np.asarray(each, np.float32) for each in run(batch[place : place + 1])] for place in range(len(batch))]
    for outputs in found:
        for array in outputs:
            if array.shape[:1] != (1,):
                raise ModelRefused(f"an output has the shape {list(array.shape)} for one picture")
            if not np.isfinite(array).all():
                raise ModelRefused("it answers a plain picture with numbers that are not finite")
    return [np.concatenate(arrays) for arrays in zip(*found, strict=True)]
