"""What changed between two reports of the same picture, and between two batches of them. Stdlib only."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = Mapping[str, Any]

WORST = 50
"""Lines that are kept to be looked at."""
BINS = 21
"""Of a histogram over -1..1: each a tenth wide, the middle one around 0."""


@dataclass(frozen=True, slots=True)
class Change:
    """Two answers for one line. A region counts where at least one of them has a label for it."""

    custom_id: str
    scans: tuple[str | None, str | None]
    statuses: tuple[str, str]
    labels: Mapping[str, tuple[str | None, str | None]]
    """Region → label before and after; None where it was not answered."""
    shifts: Mapping[str, float]
    """Region → total variation distance of the two probabilities, 0..1, where both answered."""
    iou: float | None
    """Of the two face boxes, 0..1; None unless both have one."""
    leanings: Mapping[str, float]
    """Region → what the label that was likeliest before has won or lost in probability, -1..1, where both answered."""
    chances: Mapping[str, tuple[Json | None, Json | None]]
    """Region → the probabilities before and after."""
    likeness: Mapping[str, float]
    """Region → how alike the two heat maps are, -1..1 (``pipeline.likeness``), where both have one."""

    @property
    def flips(self) -> dict[str, tuple[str | None, str | None]]:
        return {region: pair for region, pair in self.labels.items() if pair[0] != pair[1]}

    @property
    def size(self) -> float:
        """How much there is to look at: a changed end, then flipped labels, then shifts, a moved box, another map."""
        moved = 0.0 if self.iou is None else 1 - self.iou
        ended = 10.0 * (self.statuses[0] != self.statuses[1])
        seen = (1 - min(self.likeness.values(), default=1.0)) / 10
        return ended + len(self.flips) + max(self.shifts.values(), default=0.0) + moved + seen


def compare(before: Json, after: Json, likeness: Mapping[str, float] | None = None) -> Change:
    """The change of one line from one batch to another: ``{custom_id, scan_id, status, report}`` each."""
    first, second = before["report"] or {}, after["report"] or {}
    found, then = first.get("findings") or {}, second.get("findings") or {}
    regions = [*found, *(region for region in then if region not in found)]
    labels = {region: (_label(found, region), _label(then, region)) for region in regions}
    both = [region for region in labels if _chances(found, region) and _chances(then, region)]
    one, other = ((report.get("face") or {}).get("box") for report in (first, second))
    return Change(
        str(before["custom_id"]),
        (before["scan_id"], after["scan_id"]),
        (before["status"], after["status"]),
        {region: pair for region, pair in labels.items() if pair != (None, None)},
        {region: distance(found[region]["probabilities"], then[region]["probabilities"]) for region in both},
        iou(one, other) if one and other else None,
        {region: leaning(found[region]["probabilities"], then[region]["probabilities"]) for region in both},
        {
            region: (_chances(found, region), _chances(then, region))
            for region, pair in labels.items()
            if pair != (None, None)
        },
        likeness or {},
    )


def _label(findings: Json, region: str) -> str | None:
    label = (findings.get(region) or {}).get("label")
    return None if label is None else str(label)


def _chances(findings: Json, region: str) -> Json | None:
    chances: Json | None = (findings.get(region) or {}).get("probabilities")
    return chances


def leaning(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """What the label that was likeliest before has won (lost: below 0), -1..1."""
    likeliest = max(before, key=lambda label: before[label])
    return after.get(likeliest, 0.0) - before[likeliest]


def distance(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Total variation distance of two distributions, 0..1; a label that one of them lacks counts as 0 there."""
    return sum(abs(before.get(label, 0.0) - after.get(label, 0.0)) for label in {*before, *after}) / 2


def iou(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Intersection over union of two boxes ``{x, y, width, height}``, 0..1."""
    wide = min(one["x"] + one["width"], other["x"] + other["width"]) - max(one["x"], other["x"])
    tall = min(one["y"] + one["height"], other["y"] + other["height"]) - max(one["y"], other["y"])
    shared = max(0.0, wide) * max(0.0, tall)
    whole = one["width"] * one["height"] + other["width"] * other["height"] - shared
    return shared / whole if whole > 0 else 0.0


@dataclass(slots=True)
class Limits:
    """What may change at most, as shares 0..1; None: not looked at."""

    flips: float | None = None
    """Of the labels compared."""
    ends: float | None = None
    """Of the lines: another status."""
    shift: float | None = None
    """Mean shift over regions and lines."""
    iou: float | None = None
    """Least mean overlap of the face boxes."""
    likeness: float | None = None
    """Least mean likeness of the heat maps, -1..1."""


@dataclass(slots=True)
class Tally:
    """All changes of two batches, in memory that does not grow with them."""

    lines: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    """Lines that only one of the two has: ``before`` or ``after``."""
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    labels: dict[str, Counter[tuple[str | None, str | None]]] = field(default_factory=lambda: defaultdict(Counter))
    shifts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0, 0.0]))
    """Region → number, sum and greatest of the shifts."""
    boxes: list[float] = field(default_factory=lambda: [0.0, 0.0, 1.0])
    """Number, sum and least of the overlaps."""
    leanings: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0] * BINS))
    """Region → how many labels have won or lost so much, in bins over -1..1."""
    likeness: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0.0, 1.0]))
    """Region → number, sum and least of the heat maps' likeness."""
    worst: list[tuple[float, int, Change]] = field(default_factory=list)

    def add(self, change: Change) -> None:
        self.lines += 1
        self.ends[change.statuses] += 1
        for region, pair in change.labels.items():
            self.labels[region][pair] += 1
        for region, shift in change.shifts.items():
            seen = self.shifts[region]
            seen[:] = seen[0] + 1, seen[1] + shift, max(seen[2], shift)
        for region, lean in change.leanings.items():
            self.leanings[region][round((lean + 1) / 2 * (BINS - 1))] += 1
        for region, alike in change.likeness.items():
            seen = self.likeness[region]
            seen[:] = seen[0] + 1, seen[1] + alike, min(seen[2], alike)
        if change.iou is not None:
            self.boxes[:] = self.boxes[0] + 1, self.boxes[1] + change.iou, min(self.boxes[2], change.iou)
        if change.size > 0:
            heapq.heappush(self.worst, (change.size, -self.lines, change))
            if len(self.worst) > WORST:
                heapq.heappop(self.worst)

    def summary(self, limits: Limits) -> dict[str, Any]:
        """The whole difference as JSON, with a verdict: ``pass`` is true when no limit is exceeded."""
        figures = self.figures()
        broken = [
            name
            for name, most in (("flips", limits.flips), ("ends", limits.ends), ("shift", limits.shift))
            if most is not None and (figures[name] or 0.0) > most
        ]
        for name, least in (("iou", limits.iou), ("likeness", limits.likeness)):
            if least is not None and (found := figures[name]) is not None and found < least:
                broken.append(name)
        return {
            "lines": self.lines,
            "only_before": self.missing["before"],
            "only_after": self.missing["after"],
            **figures,
            "statuses": [{"before": a, "after": b, "n": n} for (a, b), n in sorted(self.ends.items())],
            "regions": {region: self._region(region) for region in sorted(self.labels)},
            "worst": [shown(change) for _, _, change in sorted(self.worst, key=lambda one: one[:2], reverse=True)],
            "pass": not broken,
            "exceeded": broken,
        }

    def figures(self) -> dict[str, float | None]:
        """Shares of flipped labels and of changed ends, mean shift, overlap and likeness; None of nothing compared."""
        pairs = [pair for counts in self.labels.values() for pair in counts.items()]
        moved, seen = sum(n for (a, b), n in pairs if a != b), sum(n for _, n in pairs)
        other = sum(n for (a, b), n in self.ends.items() if a != b)
        number, total = (sum(each[k] for each in self.shifts.values()) for k in (0, 1))
        maps, alike = (sum(each[k] for each in self.likeness.values()) for k in (0, 1))
        return {
            "flips": share(moved, seen),
            "ends": share(other, self.lines),
            "shift": share(total, number),
            "iou": share(self.boxes[1], self.boxes[0]),
            "likeness": share(alike, maps),
        }

    def _region(self, region: str) -> dict[str, Any]:
        counts, (number, total, greatest) = self.labels[region], self.shifts.get(region, (0, 0.0, 0.0))
        labels = [{"before": a, "after": b, "n": n} for (a, b), n in counts.most_common()]
        flips = [pair for pair in labels if pair["before"] != pair["after"]]
        maps, alike, least = self.likeness.get(region, (0, 0.0, 1.0))
        return {
            "compared": sum(counts.values()),
            "flipped": sum(flip["n"] for flip in flips),
            "flips": flips,
            "labels": labels,
            "mean_shift": share(total, number),
            "greatest_shift": round(greatest, 6) if number else None,
            "leanings": list(self.leanings[region]) if number else None,
            "maps_compared": int(maps),
            "mean_likeness": share(alike, maps),
            "least_likeness": round(least, 6) if maps else None,
        }


def share(part: float, whole: float) -> float | None:
    """Part of a whole to six digits; None of nothing."""
    return round(part / whole, 6) if whole else None


def shown(change: Change) -> dict[str, Any]:
    """One line's change as JSON."""
    return {
        "custom_id": change.custom_id,
        "scans": list(change.scans),
        "statuses": list(change.statuses),
        "flips": {region: list(pair) for region, pair in change.flips.items()},
        "shifts": {region: round(shift, 6) for region, shift in change.shifts.items()},
        "iou": None if change.iou is None else round(change.iou, 6),
        "likeness": {region: round(alike, 6) for region, alike in change.likeness.items()},
        "labels": {region: list(pair) for region, pair in change.labels.items()},
        "probabilities": {region: list(pair) for region, pair in change.chances.items()},
    }
