"""PatchCore beside what anomalib's own code says of the same features (``patchcore_reference.py`` wrote that down)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from pipeline.imaging.anomaly_map import SIDE, smooth
from tests.unit.training.test_patchcore import passed_through
from training import patchcore
from training.patchcore import Memory
from training.patchcore_onnx import with_memory

EXPECTED = dict(np.load(Path(__file__).parent / "expected" / "patchcore.npz"))
KNOWN, ASKED = (EXPECTED[name].astype(np.float32) for name in ("known", "asked"))
CLOSE = 1e-3
"""Of the largest value: what scores and maps may be apart. On one machine they are 7e-6 at most."""
GRID, CHANNELS = ASKED.shape[1:3], ASKED.shape[3]


def patches() -> tuple[patchcore.Floats, patchcore.Floats]:
    rows = KNOWN.reshape(-1, CHANNELS)
    scale = (1 / (rows.std(axis=0) + 1e-3)).astype(np.float32)
    return rows * scale, scale


def memory() -> Memory:
    scaled, scale = patches()
    return Memory.around_each(scaled[EXPECTED["chosen"]], scale)


def apart(found: patchcore.Floats, expected: patchcore.Floats) -> float:
    return float(np.abs(found - expected).max() / expected.max())


def test_the_same_start_chooses_the_same_patches() -> None:
    expected = EXPECTED["chosen"].tolist()
    assert patchcore.coreset(patches()[0], len(expected), expected[0]) == expected


def test_scores_and_distances_are_the_same() -> None:
    maps, scores = patchcore.scores(memory(), ASKED)
    assert apart(scores, EXPECTED["scores"]) < CLOSE
    assert apart(maps, EXPECTED["distances"]) < CLOSE


def test_the_served_network_says_them_too() -> None:
    model = with_memory(passed_through(*GRID, CHANNELS), memory(), GRID)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    scores, maps = session.run(["score", "map"], {"image": ASKED})
    assert apart(scores, EXPECTED["scores"]) < CLOSE
    assert apart(maps, EXPECTED["distances"]) < CLOSE


def test_maps_are_as_smooth_but_grow_without_steps() -> None:
    """Each place is repeated there before it is made smooth; the paper interpolates, and so do we: up to 13 % of the peak."""
    for distances, expected in zip(EXPECTED["distances"], EXPECTED["maps"], strict=True):
        step = SIDE // GRID[0]
        repeated = distances.repeat(step, axis=0).repeat(step, axis=1)
        assert apart(smooth(repeated)[::8, ::8], expected) < CLOSE
        assert CLOSE < apart(smooth(distances)[::8, ::8], expected) < 0.15
