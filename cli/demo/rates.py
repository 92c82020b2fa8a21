"""How many pictures got how far."""

from __future__ import annotations

from cli.demo.follow import Progress
from cli.demo.report import Rate
from pipeline.numbers import share

STEPS = (
    ("accepted as a cat", "validate_subject"),
    ("face found, of those", "detect_face"),
    ("landmarks accepted, of those", "detect_landmarks"),
)
ANSWERS = ("ok", "rejected", "abstained")
"""How a stage ends that answered. One that was skipped or failed says nothing about the picture."""


def rates(progress: Progress) -> list[Rate]:
    """One rate per step, of the pictures that the step looked at."""
    return [Rate(name, **share(_passed(progress, stage))) for name, stage in STEPS]


def _passed(progress: Progress, name: str) -> list[bool]:
    stages = (stage for each in progress.followed if each.scan for stage in each.scan.stages)
    return [stage.state == "ok" for stage in stages if stage.name == name and stage.state in ANSWERS]
