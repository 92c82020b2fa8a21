"""Has anything changed between a reference and lately? Counts of days in, named measures with a verdict out. Stdlib only."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final, TypeAlias

from pipeline.compare import distance
from pipeline.drift_figures import MEASURES, Form, measure_of, middle
from pipeline.drift_tests import dispersion, holm, kolmogorov_p, shift, words_p

Counts: TypeAlias = Mapping[str, Mapping[str, int]]
"""Measure → bin → scans."""

ALL: Final = "all"
"""Every source together, where there are several."""
WORDS: Final = (Form.LABEL, Form.SHARE)
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
    below any value (numbers). ``dispersion`` is how much more the reference's days differ than chance would have them; all tests
    take so many scans for one. ``p`` is of this test alone, ``p_adjusted`` with Holm's correction over all tests of the plan.
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
    dispersion: float
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
        each
        for source, (before, after) in sorted(sides.items())
        for each in _measures(source, before, after, plan.least)
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
    if measure.form in WORDS:
        return {word: round(hits / n, 4) for word, hits in sorted(counts.items())}
    mean = sum(middle(measure, edge) * hits for edge, hits in counts.items()) / n
    return {"median": round(middle(measure, _median(counts)), 4), "mean": round(mean, 4)}


def added(days: Iterable[Day]) -> dict[str, Counter[str]]:
    """The counts of several days together."""
    total: dict[str, Counter[str]] = defaultdict(Counter)
    for day in days:
        for name, counts in day.counts.items():
            total[name].update(counts)
    return total


def _sides(days: Iterable[Day], plan: Plan) -> dict[str, tuple[list[Day], list[Day]]]:
    """Source → its days in the reference and lately."""
    listed = list(days)
    before, after = ([day for day in listed if day.day in window] for window in (plan.reference, plan.recent))
    sources = sorted({day.source for day in (*before, *after)})
    sides = {
        source: ([d for d in before if d.source == source], [d for d in after if d.source == source])
        for source in sources
    }
    return sides | ({ALL: (before, after)} if len(sources) > 1 else {})


def _measures(source: str, before: list[Day], after: list[Day], least: int) -> Iterator[Found]:
    then, now = added(before), added(after)
    for name in sorted({*then, *now}, key=_place):
        yield _compared(source, name, then[name], now[name], _spread(name, then[name], before), least)


def _place(name: str) -> tuple[int, str]:
    return list(MEASURES).index(name.partition(":")[0]), name


def _spread(name: str, total: Counter[str], days: Iterable[Day]) -> float:
    """Dispersion of the reference's days, by the share of the commonest word, or of numbers up to the median's bin."""
    if not total:
        return 1.0
    if measure_of(name).form in WORDS:
        lower = {total.most_common(1)[0][0]}
    else:
        lower = {edge for edge in total if float(edge) <= float(_median(total))}
    by_day: dict[date, Counter[str]] = defaultdict(Counter)
    for day in days:
        by_day[day.day].update(day.counts.get(name, {}))
    return dispersion([(sum(counts[each] for each in lower), counts.total()) for counts in by_day.values() if counts])


def _median(counts: Mapping[str, int]) -> str:
    """The bin in which the median lies."""
    below, half = 0, sum(counts.values()) / 2
    for edge in sorted(counts, key=float):
        below += counts[edge]
        if below >= half:
            return edge
    raise ValueError("nothing was counted")


def _compared(source: str, name: str, before: Counter[str], after: Counter[str], spread: float, least: int) -> Found:
    """Without a verdict of its own: that depends on how many were tested."""
    measure, n, m = measure_of(name), before.total(), after.total()
    few = Found(
        source=source,
        kind=measure.kind,
        measure=name,
        verdict=Verdict.TOO_FEW,
        test="chi-squared" if measure.form in WORDS else "kolmogorov-smirnov",
        n_reference=n,
        n_recent=m,
        distance=None,
        least_distance=LEAST_DISTANCE[measure.form],
        dispersion=round(spread, 2),
        p=None,
        p_adjusted=None,
        before=summary(name, before) if n else None,
        after=summary(name, after) if m else None,
    )
    if min(n, m) < least:
        return few
    if measure.form in WORDS:
        apart = distance(
            {word: hits / n for word, hits in before.items()}, {word: hits / m for word, hits in after.items()}
        )
        p = words_p(_thinned(before, spread), _thinned(after, spread))
    else:
        bins = sorted({*before, *after}, key=float)
        apart = shift([before[edge] for edge in bins], [after[edge] for edge in bins])
        p = kolmogorov_p(apart, n / spread, m / spread)
    return replace(few, distance=round(apart, 4), p=p)


def _thinned(counts: Mapping[str, int], spread: float) -> dict[str, int]:
    return {word: round(hits / spread) for word, hits in counts.items()}


def _judged(found: Found, p: float, alpha: float) -> Found:
    drifted = p <= alpha and (found.distance or 0.0) >= found.least_distance
    return replace(found, p_adjusted=p, verdict=Verdict.DRIFTED if drifted else Verdict.STABLE)
