"""The page of a batch: counts that add up, codes, labels per area, and each line with its pictures and findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from api.report import cards
from api.report.cards import SENTENCES, Address, RegionCard

Json = Mapping[str, Any]
Line = TypeVar("Line", bound=Json)
HERO = ("preview", "contact_sheet", "canonical")
"""The artifact that stands for a line: the first of these that it has, else the first of all."""
NO_REPORT = "no report"
"""Counted for a line that was never scanned, or that has no report yet."""
NOT_SHOWN = frozenset({"original"})
"""Uploaded bytes as they came: whoever has them has them, and they may say where they were taken."""
ENDS = ("succeeded", "partial", "rejected", "failed", "cancelled", "running", "queued", "refused")
"""How lines end, in the order in which a page tells it."""
PARTS = ("crop_", "heatmap_")
"""Artifacts that stand beside their finding."""


@dataclass(frozen=True, slots=True)
class LineCard:
    """One line. ``hero`` and ``pictures`` are addresses; ``gone`` counts pictures that are no more."""

    name: str
    asset: str | None
    status: str
    code: str | None
    stage: str | None
    sentence: str
    reason: str
    subject: str
    score: float | None
    warnings: list[str]
    regions: list[RegionCard]
    hero: str | None
    pictures: list[tuple[str, str]]
    gone: int


def line_card(line: Json, stages: Sequence[str], pictures: Sequence[str], address: Address, gone: int) -> LineCard:
    """A line as ``db.batch_views.items`` tells it; ``stages`` and ``pictures`` are names in their order."""
    report = line["report"] or {}
    shown = [(name, where) for name in pictures if (where := address(name))]
    by_name = dict(shown)
    code = line["code"]
    return LineCard(
        name=line["custom_id"],
        asset=line.get("asset_id"),
        status=line["status"],
        code=code,
        stage=line["stage"],
        sentence=SENTENCES.get(code or "", ""),
        reason=cards.reason(report),
        subject=cards.subject(report),
        score=report.get("health_score"),
        warnings=cards.warnings(report),
        regions=[cards.region(name, found, address) for name, found in cards.findings(report, stages).items()],
        hero=next((by_name[name] for name in HERO if name in by_name), shown[0][1] if shown else None),
        pictures=[(name.replace("_", " "), where) for name, where in shown if not name.startswith(PARTS)],
        gone=gone,
    )


@dataclass(slots=True)
class Tally:
    """Labels per area over lines; what was not answered counts under its code. ``mocks`` are lines of a mock model.

    ``ends`` counts the lines that carry a code, by code and status.
    """

    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    areas: dict[str, Counter[str]] = field(default_factory=dict)
    reviews: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    mocks: int = 0

    def add(self, line: Json) -> None:
        """Count one line."""
        report = line["report"] or {}
        self.lines += 1
        self.mocks += cards.is_mock(report)
        if line["code"]:
            self.ends[line["code"], line["status"]] += 1
        for area, found in (report.get("findings") or {}).items():
            self.areas.setdefault(area, Counter())[found.get("label") or found.get("code") or "no answer"] += 1
            self.reviews[area] += bool(found.get("needs_review"))

    def added(self, lines: Iterable[Line]) -> Iterator[Line]:
        """The same lines, counted as they pass."""
        for line in lines:
            self.add(line)
            yield line

    @property
    def labels(self) -> dict[str, dict[str, int]]:
        """Area → label or code → lines, areas by name and labels by count. Each area's add up to all lines."""
        return {area: self._adding_up(counts) for area, counts in sorted(self.areas.items())}

    @property
    def codes(self) -> list[dict[str, Any]]:
        """As ``db.batch_views.codes`` tells them, the commonest first."""
        found = sorted(self.ends.items(), key=lambda pair: (-pair[1], pair[0]))
        return [{"code": code, "status": status, "n": n} for (code, status), n in found]

    def _adding_up(self, counts: Counter[str]) -> dict[str, int]:
        silent = self.lines - counts.total()
        told = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        return dict([*told, *([(NO_REPORT, silent)] if silent else [])])


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that a page shows.

    ``links`` are texts with an address, or without for the page itself; ``of`` says which lines the labels were counted
    over; ``images`` is where a browser may load pictures from.
    """

    batch: Json
    codes: Sequence[Json]
    tally: Tally
    lines: Sequence[LineCard]
    links: Sequence[tuple[str, str | None]] = ()
    of: str
    images: str
    summary: bool = True
    notes: Sequence[str] = ()


def write(page: Page) -> str:
    """The page as HTML."""
    counts = page.batch["counts"]
    ends = [(name, counts[name]) for name in ENDS if counts[name]]
    codes = [{**each, "sentence": SENTENCES.get(each["code"], "")} for each in page.codes]
    template = cards.environment().get_template("batch.html.j2")
    groups = by_asset(page.lines)
    return template.render(page=page, batch=page.batch, ends=ends, codes=codes, items=counts["items"], groups=groups)


def by_asset(lines: Sequence[LineCard]) -> dict[str | None, list[LineCard]]:
    """Lines under their assets, in the order in which these come first; those without one last, under None."""
    named = dict.fromkeys(line.asset for line in lines if line.asset is not None)
    groups: dict[str | None, list[LineCard]] = {asset: [] for asset in (*named, None)}
    for line in lines:
        groups[line.asset].append(line)
    return {asset: those for asset, those in groups.items() if those}
