"""The page of a difference between two batches: one HTML document without script, for the service and for the command line.

Whoever makes it says where a picture is: a signed link, or the picture itself as a data address.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from math import log1p
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

STYLE = (Path(__file__).parent / "assets" / "diff.css").read_text()
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HERO, SMALL = 640, 160
"""Pixels of a picture's longer side at most, where whoever finds it makes it smaller."""
SEEN_SHIFT, SEEN_LIKENESS = 0.01, 0.98
"""A region of a line is shown when its label flipped, or it shifted by more, or its maps are less alike."""
BAR, HIGH = 10, 60
"""Width of a histogram's bar and height of its largest, in units of the drawing."""

Json: TypeAlias = Mapping[str, Any]
Picture: TypeAlias = Callable[[str, str, int], str | None]
"""Scan, name of the artifact, longest side → address; None where there is no such picture."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the whole, with its limit if there is one."""

    name: str
    value: str
    limit: str
    broken: bool


@dataclass(frozen=True, slots=True)
class Matrix:
    """How many had a label before (rows) and another or the same after (columns)."""

    befores: list[str]
    afters: list[str]
    counts: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Area:
    """One region over all lines; ``bars``: place, top and height of each bar, and what it says."""

    name: str
    compared: int
    flipped: int
    matrix: Matrix
    bars: list[tuple[float, float, float, str]]
    told: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Side:
    """A region of one line in one of the two batches."""

    label: str
    chance: float | None
    crop: str | None
    heat: str | None


@dataclass(frozen=True, slots=True)
class Region:
    """A region of one line, before and after."""

    name: str
    flipped: bool
    sides: tuple[Side, Side]
    told: str


@dataclass(frozen=True, slots=True)
class Line:
    """One of the lines that changed most."""

    name: str
    statuses: tuple[str, str]
    sides: tuple[tuple[str | None, str | None], tuple[str | None, str | None]]
    """Preview and scan, before and after."""
    told: list[str]
    regions: list[Region]


def page(
    found: Json, before: Json, after: Json, limits: Mapping[str, float], picture: Picture, *, alone: bool = False
) -> str:
    """The page of a comparison as ``GET …/diff`` answers it. ``alone``: it is a file, and says itself what it may load."""
    loader = PackageLoader("api", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("diff.html").render(
        style=Markup(STYLE),  # noqa: S704  a file of ours
        policy=policy(["data:"]) if alone else None,
        found=found,
        before=before,
        after=after,
        limited=bool(limits),
        figures=_figures(found, limits),
        ends=_matrix(found["statuses"]),
        areas=[_area(name, each) for name, each in found["regions"].items()],
        lines=[_line(each, picture) for each in found["worst"]],
    )


def policy(addresses: Collection[str]) -> str:
    """What a browser may load for the page: its own style, and pictures from where these addresses are."""
    origins = {f"{place.scheme}://{place.netloc}" for place in map(urlsplit, addresses) if place.netloc}
    pictures = " ".join(sorted({"data:" if "data:" in addresses else "'self'", *origins}))
    return f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src {pictures}; base-uri 'none'; form-action 'none'"


def _figures(found: Json, limits: Mapping[str, float]) -> list[Figure]:
    kinds = (
        ("flips", "labels flipped", "max_flips", "{:.2%}"),
        ("ends", "lines that end otherwise", "max_ends", "{:.2%}"),
        ("shift", "mean shift", "max_shift", "{:.4f}"),
        ("iou", "overlap of face boxes", "min_iou", "{:.4f}"),
        ("likeness", "likeness of heat maps", "min_likeness", "{:.4f}"),
    )
    return [
        Figure(
            words,
            "–" if found[name] is None else form.format(found[name]),
            _limit(limit, form, limits),
            name in found["exceeded"],
        )
        for name, words, limit, form in kinds
    ]


def _limit(name: str, form: str, limits: Mapping[str, float]) -> str:
    if name not in limits:
        return ""
    return f"{'at most' if name.startswith('max') else 'at least'} {form.format(limits[name])}"


def _matrix(pairs: Iterable[Json]) -> Matrix:
    counts = {(_word(pair["before"]), _word(pair["after"])): pair["n"] for pair in pairs}
    befores, afters = (sorted({pair[side] for pair in counts}) for side in (0, 1))
    return Matrix(befores, afters, counts)


def _word(label: str | None) -> str:
    return "no answer" if label is None else label.replace("_", " ")


def _area(name: str, each: Json) -> Area:
    told = [
        ("mean shift", each["mean_shift"]),
        ("greatest shift", each["greatest_shift"]),
        ("mean likeness of heat maps", each["mean_likeness"]),
        ("least likeness", each["least_likeness"]),
    ]
    return Area(
        _word(name),
        each["compared"],
        each["flipped"],
        _matrix(each["labels"]),
        _bars(each["leanings"] or []),
        [(words, f"{value:.4f}") for words, value in told if value is not None],
    )


def _bars(counts: list[int]) -> list[tuple[float, float, float, str]]:
    """By the logarithm: else what did not change would leave nothing to see of what did."""
    most = log1p(max(counts, default=0)) or 1.0
    middle = len(counts) // 2
    return [
        (place * BAR, HIGH - HIGH * log1p(n) / most, HIGH * log1p(n) / most, f"{(place - middle) / middle:+.1f}: {n}")
        for place, n in enumerate(counts)
        if n
    ]


def _line(each: Json, picture: Picture) -> Line:
    """Pictures are asked for here, so only what is shown is found."""
    one, other = each["scans"]
    changed = [name for name in each["labels"] if _shows(each, name)]
    told = [f"face boxes overlap by {each['iou']:.3f}"] if each["iou"] is not None and each["iou"] < 1 else []
    return Line(
        each["custom_id"],
        (each["statuses"][0], each["statuses"][1]),
        ((_preview(one, picture), one), (_preview(other, picture), other)),
        told,
        [_region(each, name, picture) for name in changed],
    )


def _shows(each: Json, name: str) -> bool:
    alike, shift = each["likeness"].get(name, 1.0), each["shifts"].get(name, 0.0)
    return bool(name in each["flips"] or shift > SEEN_SHIFT or alike < SEEN_LIKENESS)


def _preview(scan: str | None, picture: Picture) -> str | None:
    return scan and (picture(scan, "preview", HERO) or picture(scan, "canonical", HERO))


def _region(each: Json, name: str, picture: Picture) -> Region:
    sides = []
    for scan, label, chances in zip(each["scans"], each["labels"][name], each["probabilities"][name], strict=True):
        crop, heat = ((scan and picture(scan, f"{kind}_{name}", SMALL)) for kind in ("crop", "heatmap"))
        sides.append(Side(_word(label), max(chances.values()) if chances else None, crop, heat))
    told = [
        f"{words} {each[key][name]:.3f}"
        for key, words in (("shifts", "shift"), ("likeness", "heat maps alike"))
        if name in each[key]
    ]
    return Region(_word(name), name in each["flips"], (sides[0], sides[1]), " · ".join(told))
