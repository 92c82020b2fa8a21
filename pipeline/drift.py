"""Has anything changed between a reference and lately? Counts of days in, named measures with a verdict out. Stdlib only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final, TypeAlias

from pipeline.compare import distance
from pipeline.drift_figures import MEASURES, Form, Measure, measure_of, middle
from pipeline.drift_tests import holm, kolmogorov_p, shift, words_p

Counts: TypeAlias = Mapping[str, Mapping[str, int]]
"""Measure → bin → scans."""

ALL: Final = "all"
"""Every source together, where there are several."""
LEAST_DISTANCE: Final = {Form.NUMBER: 0.15, Form.OCTAVE: 0.15, Form.LABEL: 0.1, Form.SHARE: 0.05}
"""Smaller changes, however certain, are no drift: days differ, and of ten thousand scans every difference is certain."""


class Verdict(StrEnum):
    """``too_few`` is no ``stable``: nobody can tell."""

    DRIFTED = "drifted"
    STABLE = "stable"
    TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True)
class Window:
    """Whole days in UTC, ``until`` not included."""

    since: date
    until: date

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise ValueError(f"{self.since} to {self.until} is no time")

    def __contains__(self, day: date) -> bool:
        return self.since <= day < self.until


@dataclass(frozen=True, slots=True)
class Plan:
    """What is compared with what, how many scans of each are needed, and how often one may be wrong."""

    reference: Window
    recent: Window
    least: int = 50
    alpha: float = 0.01

    @classmethod
    def until(cls, end: date, recent_days: int, reference: Window | int, **more: Any) -> Plan:
        """The days before ``end``, against a fixed window or the days before those."""
        recent = Window(end - timedelta(recent_days), end)
        if isinstance(reference, int):
            reference = Window(recent.since - timedelta(reference), recent.since)
        return cls(reference, recent, **more)


@dataclass(frozen=True, slots=True)
class Day:
    """What was counted on one day of one source of a system."""

    system: str
    day: date
    source: str
    scans: int
    counts: Counts


@dataclass(frozen=True, slots=True)
class Found:
    """One measure of one source. ``before`` and ``after``: shares of words, or median and mean of numbers.

    ``distance`` 0..1 is the share of scans that would have to change to undo it (words), or the largest difference of two shares
    below any value (numbers). ``p`` is of this test alone, ``p_adjusted`` with Holm's correction over all tests of the plan.
    """

    source: str
    kind: str
    measure: str
    verdict: Verdict
    test: str
    n_reference: int
    n_recent: int
    distance: float | None
    least_distance: float
    p: float | None
    p_adjusted: float | None
    before: Mapping[str, float] | None
    after: Mapping[str, float] | None

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def evaluate(days: Iterable[Day], plan: Plan) -> list[Found]:
    """Every measure of every source, what drifted first. ``ALL`` stands beside the sources where there are several."""
    sides = _sides(days, plan)
    found = [
        _compared(source, name, before[name], after[name], plan.least)
        for source, (before, after) in sorted(sides.items())
        for name in sorted({*before, *after}, key=_place)
    ]
    tested = [each for each in found if each.p is not None]
    fair = holm([each.p for each in tested if each.p is not None])
    judged = [_judged(each, p, plan.alpha) for each, p in zip(tested, fair, strict=True)]
    few = [each for each in found if each.p is None]
    return sorted([*judged, *few], key=lambda each: (list(Verdict).index(each.verdict), each.p_adjusted or 0.0))


def alarming(found: Iterable[Found]) -> list[Found]:
    """What drifted; of all sources together only what is not said already of one of them."""
    drifted = [each for each in found if each.verdict is Verdict.DRIFTED]
    named = {each.measure for each in drifted if each.source != ALL}
    return [each for each in drifted if each.source != ALL or each.measure not in named]


def summary(name: str, counts: Mapping[str, int]) -> dict[str, float]:
    """Shares of words; of numbers median and mean, each bin's taken for its middle."""
    measure, n = measure_of(name), sum(counts.values())
    if measure.form in (Form.LABEL, Form.SHARE):
        return {word: round(hits / n, 4) for word, hits in sorted(counts.items())}
    bins = sorted(counts, key=float)
    mean = sum(middle(measure, edge) * counts[edge] for edge in bins) / n
    below, median = 0, bins[0]
    for median in bins:
        below += counts[median]
        if 2 * below >= n:
            break
    return {"median": round(middle(measure, median), 4), "mean": round(mean, 4)}


def added(days: Iterable[Day]) -> dict[str, Counter[str]]:
    """The counts of several days together."""
    total: dict[str, Counter[str]] = defaultdict(Counter)
    for day in days:
        for name, counts in day.counts.items():
            total[name].update(counts)
    return total


def _sides(days: Iterable[Day], plan: Plan) -> dict[str, tuple[dict[str, Counter[str]], dict[str, Counter[str]]]]:
    """Source → its counts in the reference and lately."""
    listed = list(days)
    parts = [[day for day in listed if day.day in window] for window in (plan.reference, plan.recent)]
    sources = sorted({day.source for part in parts for day in part})
    sides = {source: _pair(parts, [source]) for source in sources}
    return sides | ({ALL: _pair(parts, sources)} if len(sources) > 1 else {})


def _pair(parts: list[list[Day]], sources: Sequence[str]) -> tuple[dict[str, Counter[str]], dict[str, Counter[str]]]:
    before, after = (added(day for day in part if day.source in sources) for part in parts)
    return before, after


def _place(name: str) -> tuple[int, str]:
    return list(MEASURES).index(name.partition(":")[0]), name


def _compared(source: str, name: str, before: Counter[str], after: Counter[str], least: int) -> Found:
    """Without a verdict of its own: that depends on how many were tested."""
    measure, n, m = measure_of(name), before.total(), after.total()
    limit, test = LEAST_DISTANCE[measure.form], _test(measure)
    sides = (summary(name, before) if n else None, summary(name, after) if m else None)
    if min(n, m) < least:
        return Found(source, measure.kind, name, Verdict.TOO_FEW, test, n, m, None, limit, None, None, *sides)
    if measure.form in (Form.LABEL, Form.SHARE):
        apart = distance(
            {word: hits / n for word, hits in before.items()}, {word: hits / m for word, hits in after.items()}
        )
        p = words_p(before, after)
    else:
        bins = sorted({*before, *after}, key=float)
        apart = shift([before[edge] for edge in bins], [after[edge] for edge in bins])
        p = kolmogorov_p(apart, n, m)
    return Found(source, measure.kind, name, Verdict.STABLE, test, n, m, round(apart, 4), limit, p, p, *sides)


def _test(measure: Measure) -> str:
    return "chi-squared" if measure.form in (Form.LABEL, Form.SHARE) else "kolmogorov-smirnov"


def _judged(found: Found, p: float, alpha: float) -> Found:
    drifted = p <= alpha and (found.distance or 0.0) >= found.least_distance
    return replace(found, p_adjusted=p, verdict=Verdict.DRIFTED if drifted else Verdict.STABLE)
