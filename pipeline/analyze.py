"""``skin_hair`` and ``skincare`` from Python, on this machine, without a service: rows S1.6, S1.13 and S2.7 to S2.12."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from pipeline import skin_analysis, skincare_analysis
from pipeline.contracts import System
from pipeline.errors import taxonomy
from pipeline.models.room import ModelRoom
from pipeline.run import run_in_memory
from pipeline.systems import PIPELINES
from pipeline.tuning import tuned


@cache
def _room() -> ModelRoom:
    """Opened on the first call; a process keeps its networks."""
    return ModelRoom.open()


def _report(system: System, image: bytes, room: ModelRoom | None) -> dict[str, Any]:
    """The report of a picture on which every stage has an answer; raises the first other end."""
    [pipeline] = tuned([PIPELINES[system]])
    runs = run_in_memory(pipeline, image, room or _room())
    for run in runs.values():
        if run.ending.code is not None:
            error = taxonomy()[run.ending.code]
            raise error
    found: dict[str, Any] = runs["build_report"].data["report"]
    return found


def analyze_image(image: bytes, room: ModelRoom | None = None) -> dict[str, Any]:
    """What ``pipeline.skin_analysis.analysis`` says of an encoded picture (JPEG, PNG, BMP, WebP).

    ``image`` is never a path. Raises the taxonomy's error where there is no answer: CORRUPT_IMAGE,
    UNSUPPORTED_FORMAT, MODEL_UNAVAILABLE, …; nothing is made up in its place.
    """
    return skin_analysis.analysis(_report(System.SKIN_HAIR, image, room))


def analyze_image_local(image_path: str | Path, room: ModelRoom | None = None) -> dict[str, Any]:
    """The same for a file. Raises FileNotFoundError if there is none, IsADirectoryError, PermissionError."""
    return analyze_image(Path(image_path).read_bytes(), room)


def analyze_face(image: bytes, room: ModelRoom | None = None) -> dict[str, Any]:
    """``{ml_analysis, cv_analysis}`` of an encoded portrait, as ``pipeline.skincare_analysis.analysis`` tells them.

    Needs the public pack beside the starter pack. Raises as ``analyze_image``, and NO_FACE_DETECTED, SKIN_NOT_MEASURABLE.
    """
    networks, measures = skincare_analysis.analysis(_report(System.SKINCARE, image, room))
    return {"ml_analysis": networks, "cv_analysis": measures}
