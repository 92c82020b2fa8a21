"""What a training says of itself, held to what a row and a client can take: known keys, finite numbers, short texts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

STATES = ("drawing", "training", "exporting", "scoring", "done")
COUNTS = ("stage", "stages", "step", "steps")
FIGURES = ("loss", "pictures_per_s", "eta_s")
MOST_METRICS = 100
MOST_FILES = 200
LONGEST = 300
LONGEST_THEN = 2_000
"""Characters of the command that takes in what it left."""


def read(file: Path) -> dict[str, Any]:
    """The progress in a file; empty while there is none that can be read."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cleaned(said) if isinstance(said, dict) else {}


def cleaned(said: Mapping[str, Any]) -> dict[str, Any]:
    """What is known and well-formed of it; the rest is left out, never replaced."""
    found: dict[str, Any] = {"state": said["state"]} if said.get("state") in STATES else {}
    found |= {name: said[name] for name in COUNTS if type(said.get(name)) is int and said[name] >= 0}
    found |= {name: round(float(said[name]), 6) for name in FIGURES if _is_figure(said.get(name))}
    metrics = said.get("metrics")
    if isinstance(metrics, list):
        found["metrics"] = [_metric(each) for each in metrics[:MOST_METRICS] if isinstance(each, Mapping)]
    files = said.get("files")
    if isinstance(files, list):
        found["files"] = [name for name in files[:MOST_FILES] if is_plain(name)]
    if isinstance(then := said.get("then"), str):
        found["then"] = then[:LONGEST_THEN]
    return found


def is_plain(name: object) -> bool:
    """Whether it names a file beside others, and nothing else."""
    return isinstance(name, str) and name not in ("", ".", "..") and PurePosixPath(name).name == name


def _is_figure(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _metric(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(name)[:LONGEST]: value[:LONGEST] if isinstance(value, str) else value
        for name, value in said.items()
        if isinstance(value, str) or _is_figure(value)
    }
