"""What six points must look like to be a cat's face. ``docs/face_geometry.md`` says where the limits come from.

Distances are in units of the distance between the eyes, along the head's own axes: x from the left eye to the right
one, y square to it and down, zero midway between the eyes. So neither the head's size nor its roll counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import TypeAlias

    Point: TypeAlias = tuple[float, float]
    Points: TypeAlias = Mapping[str, Point]

LIMITS: Final[Mapping[str, tuple[float | None, float | None]]] = {
    "left_right": (0.0, None),
    "roll": (-75.0, 75.0),
    "eyes_apart": (0.13, 0.65),
    "ears_above": (-1.3, -0.1),
    "ears_beside": (0.25, 1.4),
    "ears_level": (-0.4, 0.4),
    "mouth_below": (0.3, 1.3),
    "mouth_centred": (-0.3, 0.3),
    "nose_between": (0.45, 0.95),
    "inside_head": (0.0, 0.6),
}
"""Rule → lowest and highest value that a face may have (None: any); the rules are tried in this order."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The first rule that the points break: what was measured, and what it may be at least and at most."""

    rule: str
    value: float
    low: float | None
    high: float | None


def broken_rule(points: Points, side: float) -> Broken | None:
    """The first broken rule of six points in pixels of a square head crop with this side, or None: it may be a face."""
    for rule, value in measured(points, side):
        low, high = LIMITS[rule]
        if (low is not None and value < low) or (high is not None and value > high):
            return Broken(rule, value, low, high)
    return None


def measured(points: Points, side: float) -> Iterator[tuple[str, float]]:
    """What each rule looks at, in the order of LIMITS; a rule about two ears comes twice."""
    left, right = points["left_eye"], points["right_eye"]
    across = right[0] - left[0], right[1] - left[1]
    # The ears' order is the picture's, like the eyes': exchanged ears would otherwise be a matter of the roll.
    yield "left_right", min(across[0], points["right_ear"][0] - points["left_ear"][0]) / side
    yield "roll", math.degrees(math.atan2(across[1], across[0]))
    apart = math.hypot(*across)
    yield "eyes_apart", apart / side
    at = {name: _in_head(point, left, right, apart) for name, point in points.items()}
    for ear in ("left_ear", "right_ear"):
        yield "ears_above", at[ear][1]
    yield "ears_beside", -at["left_ear"][0]
    yield "ears_beside", at["right_ear"][0]
    yield "ears_level", at["left_ear"][1] - at["right_ear"][1]
    yield "mouth_below", at["mouth"][1]
    yield "mouth_centred", at["mouth"][0]
    yield "nose_between", at["nose"][1] / at["mouth"][1]
    yield "inside_head", max(abs(value / side - 0.5) for point in points.values() for value in point)


def _in_head(point: Point, left: Point, right: Point, apart: float) -> Point:
    """A point along the head's axes, in distances between the eyes."""
    x, y = point[0] - (left[0] + right[0]) / 2, point[1] - (left[1] + right[1]) / 2
    along, down = (right[0] - left[0]) / apart, (right[1] - left[1]) / apart
    return (x * along + y * down) / apart, (y * along - x * down) / apart
