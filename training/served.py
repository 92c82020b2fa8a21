"""A network as it is served: its file, its size, its outputs; and what its ONNX file answers on the CPU."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime

from training.augment import squash, unit
from training.data import Floats, Pixels

Call: TypeAlias = Callable[[Any], dict[str, Any]]
"""image [N,size,size,3] -> {output's name: tensor}"""


@dataclass(frozen=True, slots=True)
class Served:
    """What a recipe hands to the export."""

    file: Path
    size: int
    outputs: Sequence[str]
    call: Call


def session(file: Path | bytes, threads: int = 2) -> onnxruntime.InferenceSession:
    """A CPU session of a file or of its bytes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    content = file if isinstance(file, bytes) else str(file)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run(file: Path, images: Floats, names: Sequence[str], batch: int = 16) -> list[Floats]:
    """Outputs of all images [N,H,W,3], a few at a time."""
    network = session(file)
    blocks = [
        network.run(list(names), {"image": images[first : first + batch]}) for first in range(0, len(images), batch)
    ]
    return [np.concatenate(found) for found in zip(*blocks, strict=True)]


def answers(file: Path, pictures: Sequence[Pixels], size: int, names: Sequence[str]) -> list[Floats]:
    """Outputs of whole pictures of any sizes, squashed to the input's size, in -1..1; one at a time, as on a CPU."""
    network = session(file, 1)
    found = [network.run(list(names), {"image": unit([squash(picture, size)])}) for picture in pictures]
    return [np.concatenate(one) for one in zip(*found, strict=True)]


def sha256(file: Path) -> str:
    """Digest of the file's bytes."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
