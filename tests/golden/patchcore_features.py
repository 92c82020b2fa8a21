"""``python -m tests.golden.patchcore_features FILE``: what ``patchcore_reference.py`` compares on, from made-up thermograms.

Features [N,14,14,32] of two normal pictures (``known``), and of two more normal ones and a hot one (``asked``): the first 32
numbers of each place, in float16, which is exact in float32. ``pictures`` [8,32,32,3]: six normal ones, another, a hot one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from pipeline.models.tensors import squash
from tests.thermal_pack import FEATURES
from tests.thermograms import thermogram
from training import served
from training.patchcore_onnx import FEATURES as OUTPUT

CHANNELS = 32


def main(target: Path) -> None:
    """Write the features of five pictures and eight small pictures."""
    normal = [thermogram(number).pixels for number in range(7)]
    hot = thermogram(2, hot=True).pixels
    (seen,) = served.answers(FEATURES, [*normal[:4], hot], 224, (OUTPUT,))
    kept = seen[..., :CHANNELS].astype(np.float16)
    np.savez(target, known=kept[:2], asked=kept[2:], pictures=[squash(each, (32, 32)) for each in (*normal, hot)])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
