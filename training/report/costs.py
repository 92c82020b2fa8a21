"""What a file costs: bytes, arithmetic, and time on the machine that makes the page."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from training import served
from training.arithmetic import gflop

TIMES: Final = 12


@dataclass(frozen=True, slots=True)
class Cost:
    """`gflop` and `ms` are None where only another runtime could tell."""

    bytes: int
    gflop: float | None
    ms: float | None
    """Processor time of one picture on one thread, milliseconds, the least of a dozen."""


def cost(file: Path, entry_input: Mapping[str, Any]) -> Cost:
    """Of a pack's file."""
    size = file.stat().st_size
    if file.suffix != ".onnx" or "size" not in entry_input:
        return Cost(size, None, None)
    return Cost(size, gflop(file.read_bytes()), forward_ms(file))


def forward_ms(file: Path) -> float:
    """The least disturbed of a dozen passes over one picture."""
    network = served.session(file, threads=1)
    (wanted,) = network.get_inputs()
    shape = [side if isinstance(side, int) else 1 for side in wanted.shape]
    kind = np.uint8 if "uint8" in wanted.type else np.float32
    given, spent = {wanted.name: np.zeros(shape, kind)}, []
    for _ in range(TIMES):
        began = time.process_time()
        network.run(None, given)
        spent.append(1000 * (time.process_time() - began))
    return min(spent)
