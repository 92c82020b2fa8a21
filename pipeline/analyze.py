"""``skin_hair`` from Python, on this machine, without a service: rows S1.6 and S1.13."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from pipeline.contracts import System
from pipeline.errors import taxonomy
from pipeline.models.room import ModelRoom
from pipeline.run import run_in_memory
from pipeline.skin_analysis import analysis
from pipeline.systems import PIPELINES
from pipeline.tuning import tuned


@cache
def _room() -> ModelRoom:
    """Opened on the first call; a process keeps its networks."""
    return ModelRoom.open()


def analyze_image(image: bytes, room: ModelRoom | None = None) -> dict[str, Any]:
    """What ``pipeline.skin_analysis.analysis`` says of an encoded picture (JPEG, PNG, BMP, WebP).

    ``image`` is never a path. Raises the taxonomy's error where there is no answer: CORRUPT_IMAGE,
    UNSUPPORTED_FORMAT, MODEL_UNAVAILABLE, …; nothing is made up in its place.
    """
    [pipeline] = tuned([PIPELINES[System.SKIN_HAIR]])
    runs = run_in_memory(pipeline, image, room or _room())
    for run in runs.values():
        if run.ending.code is not None:
            error = taxonomy()[run.ending.code]
            raise error
    return analysis(runs["build_report"].data["report"])


def analyze_image_local(image_path: str | Path, room: ModelRoom | None = None) -> dict[str, Any]:
    """The same for a file. Raises FileNotFoundError if there is none, IsADirectoryError, PermissionError."""
    return analyze_image(Path(image_path).read_bytes(), room)
