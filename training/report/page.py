"""Cards as one HTML file that needs no network, in the manner of the demo's page."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from training.cards import PARTS, commands, commit, stage
from training.curve import svg
from training.entries import ENTRIES
from training.entries.entry import Entry
from training.place import Place, machine
from training.report.costs import Cost, cost
from training.report.gallery import Tile, gallery
from training.slices import HOW, LEAST

NOTHING: Final[Mapping[str, Any]] = {
    "reliability": None,
    "scored": None,
    "outcomes": [],
    "slices": [],
    "sizes": {},
    "right": "",
}
"""What a note says that was not scored again yet."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure in every slice."""

    name: str
    whole: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]

    @property
    def axis(self) -> float:
        """Right end of its scale: 1 for shares, a little beyond the largest interval for small errors."""
        most = max(row["high"] for row in (self.whole, *self.rows) if row["high"] is not None)
        return 1.0 if most > 0.3 else max(1.15 * float(most), 0.01)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One model's part of the page."""

    entry: Entry
    note: Mapping[str, Any]
    cost: Cost
    curve: Markup | None
    tiles: Mapping[str, list[Tile]]
    figures: Sequence[Figure]
    used: Sequence[str]
    """Slicings that occur."""
    commit: str
    commands: Sequence[str]
    stages: Sequence[str]


def write(pack: Path, place: Place | None, page: Path) -> Path:
    """Write the page of all models of a pack; without a place it has no pictures."""
    loader = PackageLoader("training.report", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    sheets = [sheet(entry, pack, place) for entry in ENTRIES if (pack / "notes" / f"{entry.name}.json").exists()]
    text = environment.get_template("report.html.j2").render(
        sheets=sheets, data=place is not None, machine=machine(), how=HOW, least=LEAST, parts=PARTS, pack=pack.name
    )
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")
    return page


def sheet(entry: Entry, pack: Path, place: Place | None) -> Sheet:
    """Everything the page says of one model."""
    note = {**NOTHING, **json.loads((pack / "notes" / f"{entry.name}.json").read_text(encoding="utf-8"))}
    curve = note["reliability"]
    return Sheet(
        entry=entry,
        note=note,
        cost=cost(pack / entry.file, entry.input),
        curve=Markup(svg(curve)) if curve else None,  # noqa: S704  our own drawing: its one text is escaped
        tiles=gallery(entry, note, place) if place else {"right": [], "wrong": []},
        figures=list(figures(note)),
        used=[by for by in HOW if any(row["by"] == by for row in note["slices"])],
        commit=commit(note["run"]),
        commands=commands(entry, note["run"]),
        stages=[stage(one) for one in note["run"].get("stages", [])],
    )


def figures(note: Mapping[str, Any]) -> Iterator[Figure]:
    """The slices by figure; the first row of each is the whole."""
    rows = note["slices"]
    for name in dict.fromkeys(row["figure"] for row in rows):
        whole, *others = [row for row in rows if row["figure"] == name]
        yield Figure(name, whole, others)
