"""The pictures of the golden tests, and how near two reports must be. All pictures come with scikit-image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from skimage import data

from pipeline.contracts import System
from pipeline.imaging.codec import encode_png
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import PACKS_ROOT
from pipeline.run import RunRecord, run_in_memory
from pipeline.systems import PIPELINES

FOLDER = Path(__file__).parent / "expected"

PIXELS = 2.0
"""Boxes, points: pixels of the canonical picture."""
CHANCES = 0.02
"""Probabilities, confidences, shares: between profiles. On one profile reports are byte-identical."""
SCORE = 2.0
"""Health score, of 100."""


def pictures() -> dict[str, bytes]:
    cat = data.chelsea()
    return {
        "chelsea": encode_png(cat),
        "chelsea_mirrored": encode_png(np.ascontiguousarray(cat[:, ::-1])),
        "astronaut": encode_png(data.astronaut()),
        "coffee": encode_png(data.coffee()),
    }


def starter_room() -> ModelRoom:
    """The starter pack alone, whatever the settings say."""
    return ModelRoom([read_manifest(PACKS_ROOT / "starter" / "manifest.toml", "starter")])


def scanned(room: ModelRoom, name: str) -> dict[str, RunRecord]:
    return run_in_memory(PIPELINES[System.CAT_FACE], pictures()[name], room)


def differences(expected: Any, found: Any, path: str = "") -> Iterator[str]:
    """Where two reports are further apart than the tolerances allow."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key in sorted({*expected, *found}):
            yield from differences(expected.get(key, "nothing"), found.get(key, "nothing"), f"{path}/{key}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, pair in enumerate(zip(expected, found, strict=True)):
            yield from differences(*pair, f"{path}/{index}")
    elif isinstance(expected, float) and isinstance(found, int | float):
        if abs(expected - found) > tolerance(path):
            yield f"{path}: {found}, expected {expected}"
    elif expected != found:
        yield f"{path}: {found!r}, expected {expected!r}"


def tolerance(path: str) -> float:
    last = path.rpartition("/")[2]
    if last in ("x", "y", "width", "height"):
        return PIXELS
    return SCORE if last == "health_score" else CHANCES
