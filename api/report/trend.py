"""The page of an asset: its scores as a line, and its pictures as a strip, in the order in which they were taken.

Whoever makes it says where a picture is: a signed link, or the picture itself as a data address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, TypeAlias

from api.report import cards

STRIP: Final = 60
"""Pictures on a page, the newest."""
PICTURES: Final = ("bounded", "canonical")
"""The artifact that stands for a point: the first of these that it has."""
WIDTH, HEIGHT = 1000, 180
"""Of a line's drawing, in its own units."""

Json: TypeAlias = Mapping[str, Any]
Picture: TypeAlias = Callable[[str, str], str | None]
"""Scan and name of the artifact → address; None where there is no such picture."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A point on a line, and what it says."""

    x: float
    y: float
    told: str
    tone: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A line in as many pieces as may be joined. ``ticks`` and ``breaks``: place and text; ``limits``: stretches of one."""

    title: str
    pieces: list[list[Dot]]
    ticks: list[tuple[float, str]]
    limits: list[tuple[float, float, float]]
    breaks: list[tuple[float, str]]


def write(told: Json, picture: Picture, images: str = "data:") -> str:
    """The page of a trend as ``GET /v1/assets/{asset_id}/trend`` answers it."""
    points = told["points"]
    shown = [
        (point, next(filter(None, (picture(point["scan_id"], name) for name in PICTURES)), None))
        for point in points[-STRIP:]
    ]
    charts = [_scores(points), _degrees(points)]
    return (
        cards.environment()
        .get_template("trend.html.j2")
        .render(
            told=told,
            shown=shown,
            charts=[chart for chart in charts if chart],
            width=WIDTH,
            height=HEIGHT,
            images=images,
            tones=TONES,
        )
    )


TONES: Final = {"Normal": "good", "Potential": "warn", "Overloway": "warn", "Faulty": "bad"}


def _scores(points: Sequence[Json]) -> Chart | None:
    answers = [point for point in points if point["score"] is not None]
    if not answers:
        return None
    across = _across(points)
    pieces: list[list[Dot]] = []
    for point in answers:
        if point["break"] or not pieces:
            pieces.append([])
        told = f"{_day(point)}: {point['score']:.3f} {point['classification']}"
        pieces[-1].append(Dot(across(point), _up(point["score"]), told, TONES[point["classification"]]))
    edges = [across(point) for point in answers]
    ends = [*((one + other) / 2 for one, other in pairwise(edges)), float(WIDTH)]
    starts = [0.0, *ends[:-1]]
    limits = [(start, end, _up(point["threshold"])) for start, end, point in zip(starts, ends, answers, strict=True)]
    breaks = [(starts[n], f"memory {point['memory']['version']}") for n, point in enumerate(answers) if point["break"]]
    return Chart("Score", pieces, [(_up(share), f"{share:g}") for share in (0, 0.5, 1)], limits, breaks)


def _degrees(points: Sequence[Json]) -> Chart | None:
    """The hottest place of each picture; not joined where another emissivity was taken."""
    known = [point for point in points if point["max_c"] is not None]
    if not known:
        return None
    low, high = min(point["max_c"] for point in known), max(point["max_c"] for point in known)
    low, high = (low, high) if high - low >= 1 else (low - 0.5, high + 0.5)
    across = _across(points)
    pieces: list[list[Dot]] = []
    for before, point in zip([None, *known], known, strict=False):
        if before is None or before["emissivity"] != point["emissivity"]:
            pieces.append([])
        told = f"{_day(point)}: {point['max_c']:.1f} °C at an emissivity of {point['emissivity']:g}"
        pieces[-1].append(Dot(across(point), _up((point["max_c"] - low) / (high - low)), told, "accent"))
    return Chart("Hottest place, °C", pieces, [(_up(0), f"{low:.1f}"), (_up(1), f"{high:.1f}")], [], [])


def _across(points: Sequence[Json]) -> Callable[[Json], float]:
    """By time; all in the middle if they are of one moment."""
    times = [datetime.fromisoformat(point["at"]).timestamp() for point in points]
    first, whole = times[0], times[-1] - times[0]

    def place(point: Json) -> float:
        share = (datetime.fromisoformat(point["at"]).timestamp() - first) / whole if whole else 0.5
        return round(20 + share * (WIDTH - 40), 1)

    return place


def _up(share: float) -> float:
    return round(HEIGHT - 12 - share * (HEIGHT - 24), 1)


def _day(point: Json) -> str:
    return str(point["at"][:16]).replace("T", " ")
