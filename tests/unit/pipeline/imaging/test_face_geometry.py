"""Each rule, held and broken; what heads do that is no reason to refuse them; and where the rules end."""

from __future__ import annotations

import cmath
import math

import pytest

from pipeline.imaging.face_geometry import LIMITS, broken_rule

FACE = {
    "left_eye": (0.36, 0.45),
    "right_eye": (0.64, 0.45),
    "left_ear": (0.28, 0.26),
    "right_ear": (0.72, 0.26),
    "mouth": (0.5, 0.67),
    "nose": (0.5, 0.62),
}
"""An upright head in units of its square."""


def crop(**points: tuple[float, float]) -> dict[str, tuple[float, float]]:
    return {name: (x * 200, y * 200) for name, (x, y) in {**FACE, **points}.items()}


def turned(degrees: float) -> dict[str, tuple[float, float]]:
    turn = cmath.rect(1, math.radians(degrees))
    at = {name: (complex(x, y) - 0.5 - 0.45j) * turn * 200 + 100 + 100j for name, (x, y) in FACE.items()}
    return {name: (point.real, point.imag) for name, point in at.items()}


def rule_of(points: dict[str, tuple[float, float]]) -> str | None:
    broken = broken_rule(points, 200)
    return broken.rule if broken else None


@pytest.mark.parametrize("degrees", [-70, -45, -20, 0, 20, 45, 70])
def test_a_tilted_head_is_a_head(degrees: float) -> None:
    assert rule_of(turned(degrees)) is None


@pytest.mark.parametrize("factor", [0.5, 0.75, 1.3])
def test_a_head_smaller_or_larger_than_its_box_is_a_head(factor: float) -> None:
    points = {name: (100 + (x - 100) * factor, 100 + (y - 100) * factor) for name, (x, y) in crop().items()}
    assert rule_of(points) is None


def test_a_head_half_turned_away_is_a_head() -> None:
    assert rule_of(crop(nose=(0.57, 0.62), mouth=(0.56, 0.67), right_ear=(0.64, 0.24))) is None


@pytest.mark.parametrize(
    ("points", "rule"),
    [
        (crop(left_eye=(0.64, 0.45), right_eye=(0.36, 0.45)), "left_right"),
        (crop(left_ear=(0.72, 0.26), right_ear=(0.28, 0.26)), "left_right"),
        (turned(180), "left_right"),
        (turned(85), "roll"),
        (turned(-85), "roll"),
        (crop(left_eye=(0.5, 0.45), right_eye=(0.5, 0.45)), "eyes_apart"),
        (crop(left_eye=(0.48, 0.45), right_eye=(0.54, 0.45)), "eyes_apart"),
        (crop(left_eye=(0.1, 0.45), right_eye=(0.9, 0.45)), "eyes_apart"),
        (crop(left_ear=(0.28, 0.46)), "ears_above"),
        (crop(right_ear=(0.72, 0.05)), "ears_above"),
        (crop(left_ear=(0.47, 0.26)), "ears_beside"),
        (crop(right_ear=(0.95, 0.26)), "ears_beside"),
        (crop(left_ear=(0.28, 0.14), right_ear=(0.72, 0.4)), "ears_level"),
        (crop(mouth=(0.5, 0.5), nose=(0.5, 0.49)), "mouth_below"),
        (crop(mouth=(0.5, 0.4)), "mouth_below"),
        (crop(mouth=(0.5, 0.85)), "mouth_below"),
        (crop(mouth=(0.6, 0.67)), "mouth_centred"),
        (crop(mouth=(0.4, 0.67)), "mouth_centred"),
        (crop(nose=(0.5, 0.5)), "nose_between"),
        (crop(nose=(0.5, 0.7)), "nose_between"),
        ({name: (x + 80, y) for name, (x, y) in crop().items()}, "inside_head"),
        ({name: (x, y - 80) for name, (x, y) in crop().items()}, "inside_head"),
    ],
)
def test_points_that_cannot_be_a_face(points: dict[str, tuple[float, float]], rule: str) -> None:
    assert rule_of(points) == rule


def test_the_points_of_a_profile_are_refused() -> None:
    """Both eyes seen from the side nearly coincide, and the nose lies before them."""
    at = {"left_eye": (0.40, 0.45), "right_eye": (0.46, 0.45), "left_ear": (0.55, 0.25), "right_ear": (0.6, 0.25)}
    assert rule_of(crop(**at, nose=(0.25, 0.6), mouth=(0.28, 0.66))) == "eyes_apart"
    wider = {**at, "left_eye": (0.34, 0.45), "right_eye": (0.5, 0.45), "left_ear": (0.45, 0.25)}
    assert rule_of(crop(**wider, nose=(0.25, 0.6), mouth=(0.28, 0.66))) == "ears_beside"


def test_what_was_measured_is_told_with_its_limits() -> None:
    broken = broken_rule(crop(mouth=(0.5, 0.85)), 200)
    assert broken is not None and (broken.low, broken.high) == LIMITS["mouth_below"]
    assert broken.value == pytest.approx(0.4 / 0.28)


def test_every_rule_has_a_case_above() -> None:
    cases = next(mark for mark in test_points_that_cannot_be_a_face.pytestmark if mark.name == "parametrize").args[1]
    assert {rule for _, rule in cases} == set(LIMITS)
