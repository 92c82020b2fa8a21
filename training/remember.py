"""A PatchCore network of normal pictures: what is remembered, where its limits lie, what it costs."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx

from training import patchcore, served
from training.anomaly_limits import limits
from training.augment import squash, unit
from training.data import Floats, Pixels
from training.patchcore_onnx import FEATURES, with_memory

Tell = Callable[[int, int], object]
"""Told of steps done, of how many."""
ADD: Final = (
    "scanmill models add {out}/thermal_patchcore.onnx --note {out}/thermal_patchcore.json --name thermal_patchcore "
    "--version 1 --task anomaly --licence ours --scale 255 --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5"
)
"""The command that takes a memory in; a type's own is called `thermal_patchcore_TYPE`."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """``thresholds`` of the manifest, and the facts of the fit."""

    thresholds: dict[str, float]
    patches: int
    """Remembered, of `seen`."""
    seen: int
    search_ms: float
    """Per picture on one thread, without the features: distances, score and map; median."""
    sha256: str

    @property
    def told(self) -> str:
        """In words."""
        share = f"{self.patches:,} of {self.seen:,} patches, {self.patches / self.seen:.2%}"
        return f"{share}; search {self.search_ms:.1f} ms per picture on one thread; SHA-256 {self.sha256}"


def remember(
    remembered: Sequence[Pixels], held: Sequence[Pixels], features: Path, to: Path, size: int, seed: int,
    tell: Tell = lambda *_: None,
) -> Remembered:  # fmt: skip
    """Write the network of the ``remembered`` pictures; the ``held`` ones, which it is not made of, say its limits.

    The same pictures in the same order, features, size and seed give the same file on one machine. `features`: an ONNX
    file that takes `image` [N,S,S,3] in -1..1 and answers `embedding` [N,h,w,K].
    """
    side = side_of(features)
    seen = embedded(features, [*remembered, *held], side, tell)
    own, others = seen[: len(remembered)], seen[len(remembered) :]
    patches = own.reshape(-1, own.shape[-1])
    memory = patchcore.Memory.of(patches, size, seed)
    onnx.save(with_memory(onnx.load(str(features)), memory, (seen.shape[1], seen.shape[2])), str(to))
    costs = search_ms(features, to, list(remembered[:8]), side)
    found = limits(*patchcore.scores(memory, others))
    return Remembered(found, len(memory.bank), len(patches), costs, served.sha256(to))


def side_of(features: Path) -> int:
    """Of the square that the network takes. Raises ValueError where its file does not say."""
    shape = served.session(features, 1).get_inputs()[0].shape
    if len(shape) != 4 or not isinstance(shape[1], int) or shape[1] != shape[2]:
        message = f"{features.name} takes {shape}; features take [N,S,S,3] with a fixed S"
        raise ValueError(message)
    return shape[1]


def embedded(features: Path, pictures: Sequence[Pixels], side: int, tell: Tell = lambda *_: None) -> Floats:
    """Features [N,h,w,K]; one picture at a time, as they are served."""
    network, found = served.session(features, 1), []
    for number, picture in enumerate(pictures, 1):
        found.append(network.run([FEATURES], {"image": unit([squash(picture, side)])})[0])
        tell(number, len(pictures))
    return np.concatenate(found)


def search_ms(features: Path, whole: Path, pictures: Sequence[Pixels], side: int) -> float:
    """What the memory adds to the features' time per picture: the difference of two medians."""
    inputs = [unit([squash(picture, side)]) for picture in pictures]
    medians = []
    for file, names in ((features, [FEATURES]), (whole, ["score", "map"])):
        network, took = served.session(file, 1), []
        for image in (inputs[0], *inputs):
            began = time.perf_counter()
            network.run(names, {"image": image})
            took.append(time.perf_counter() - began)
        medians.append(float(np.median(took[1:])))
    return max(0.0, 1000 * (medians[1] - medians[0]))
