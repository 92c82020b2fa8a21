"""Where a report has boxes: faces, pupils, and places of a thermogram that are unlike normal ones. Stdlib only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

CATEGORIES: Final = ("face", "pupil", "anomaly")
"""What boxes may be of, in an order that does not change: its place from 1 on is a category's number in a dataset."""


@dataclass(frozen=True, slots=True)
class FoundBox:
    """Pixels of the canonical picture: x, y of the top-left corner, width, height. ``score`` 0..1 is the finder's own."""

    category: str
    box: tuple[float, float, float, float]
    score: float


def found_boxes(report: Mapping[str, Any]) -> Iterator[FoundBox]:
    """Every box that a report of any system tells of, the main one of each kind of section."""
    if face := report.get("face"):
        yield _found("face", face["box"], face["confidence"])
    if (pupil := report.get("pupil") or {}) and pupil["pupil"] is not None:
        yield _found("pupil", pupil["pupil"]["box"], pupil["quality"])
    for each in (report.get("anomaly") or {}).get("boxes", ()):
        yield _found("anomaly", each, each["confidence"])


def _found(category: str, box: Mapping[str, float], score: float) -> FoundBox:
    return FoundBox(category, (box["x"], box["y"], box["width"], box["height"]), score)
