"""The page of a review: one HTML document without script. Alerts as then and now, pictures beside each other, what to look at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from api import diff_page
from pipeline.drift import Window
from pipeline.drift_figures import Form, axis, measure_of

HIGH, WIDE = 60, 210
"""Of a drawing, in its own units."""

Json: TypeAlias = Mapping[str, Any]
Bar: TypeAlias = tuple[float, float, float, float, str]
"""Place, width, top, height, and what it says."""


@dataclass(frozen=True, slots=True)
class Card:
    """An alert: what it says, and both histograms."""

    alert: Json
    sentence: str
    before: list[Bar]
    after: list[Bar]
    ends: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Look:
    """A scan to look at."""

    item: Json
    picture: str | None
    findings: list[tuple[str, str]]
    answers: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Review:
    """All that the page shows. Pictures are links by scan; None where there is none."""

    system: str
    source: str
    windows: tuple[Window, Window]
    alerts: Sequence[Card]
    then: Sequence[tuple[str, str | None]]
    now: Sequence[tuple[str, str | None]]
    looks: Sequence[Look]


def write(review: Review) -> str:
    """The page."""
    loader = PackageLoader("api", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    style = Markup(diff_page.STYLE)  # noqa: S704  a file of ours
    return environment.get_template("review.html").render(style=style, review=review)


def policy(addresses: Collection[str]) -> str:
    """What a browser may load for the page."""
    return diff_page.policy(addresses)


def card(alert: Json, before: Mapping[str, int], after: Mapping[str, int]) -> Card:
    """An alert with what was counted of its measure then and now."""
    numbers = measure_of(alert["measure"]).form in (Form.NUMBER, Form.OCTAVE)
    bins = axis(alert["measure"], [*before, *after])
    most = max(
        (n / total for counts in (before, after) if (total := sum(counts.values())) for n in counts.values()),
        default=1.0,
    )
    sides = [_bars(bins, counts, most, shift) for counts, shift in ((before, 0.0), (after, 0.5))]
    return Card(alert, _sentence(alert, numbers), sides[0], sides[1], (bins[0], bins[-1]) if bins else ("", ""))


def _bars(bins: Sequence[str], counts: Mapping[str, int], most: float, shift: float) -> list[Bar]:
    """Half a bin wide, so that both sides stand beside each other."""
    total, width = sum(counts.values()) or 1, WIDE / max(1, len(bins))
    made = []
    for place, name in enumerate(bins):
        share = counts.get(name, 0) / total
        high = HIGH * share / most
        made.append(((place + shift) * width, 0.46 * width, HIGH - high, high, f"{name}: {share:.1%}"))
    return made


def _sentence(alert: Json, numbers: bool) -> str:
    before, after = alert["before"] or {}, alert["after"] or {}
    if numbers:
        return f"median {before.get('median')} → {after.get('median')}"
    moved = sorted({*before, *after}, key=lambda word: abs(after.get(word, 0) - before.get(word, 0)), reverse=True)
    return ", ".join(f"{word} {before.get(word, 0):.1%} → {after.get(word, 0):.1%}" for word in moved[:3])


def look(item: Json, picture: str | None) -> Look:
    """A scan of the list with its picture and what was said."""
    findings = [
        (region, _said(found.get("label") or found.get("code"), found.get("confidence")))
        for region, found in item["findings"].items()
    ]
    answers = [(model, _answer(said)) for model, said in item["answers"].items()]
    return Look(item, picture, findings, answers)


def _answer(said: Json) -> str:
    if "code" in said:
        return str(said["code"])
    label = max(said, key=lambda name: said[name])
    return _said(label, said[label])


def _said(label: str | None, chance: float | None) -> str:
    return f"{label or 'no answer'}{'' if chance is None else f' {chance:.1%}'}"
