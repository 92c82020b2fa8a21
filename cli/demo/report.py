"""The page of a demo or of a folder: one self-contained HTML file with every picture in it, readable without a network.

It is written card by card, so thousands of pictures need the memory of one; the more there are, the smaller they are
shown, in pages that a browser lays out when they are opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from api.report import cards
from api.report.cards import SENTENCES, RegionCard
from cli.client import Client
from cli.demo.board import code_of
from cli.demo.follow import Followed, Progress
from cli.demo.pictures import Album
from cli.demo.timeline import Bar, timeline
from cli.scan import Scan


@dataclass(frozen=True, slots=True)
class ScanCard:
    """One picture's part of the page. `bars` is empty for a refused picture, which has no scan."""

    name: str
    id: str | None
    status: str
    code: str | None
    sentence: str
    score: float | None
    subject: str
    pictures: list[tuple[str, str]]
    regions: list[RegionCard]
    warnings: list[str]
    bars: list[Bar]
    seconds: float | None
    pipeline_version: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """Longest sides in pixels: of the preview, of the other pictures, of a crop; and cards on a page, 0 for no pages."""

    hero: int
    side: int
    crop: int
    page: int

    @classmethod
    def of(cls, count: int) -> Sizes:
        """For so many pictures: a page of thousands is still a file that a browser opens."""
        if count <= 60:
            return cls(720, 420, 224, 0)
        return cls(480, 240, 128, 24) if count <= 600 else cls(320, 160, 96, 48)


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures without an answer, for one reason; their cards are made when they are asked for."""

    code: str
    sentence: str
    count: int
    cards: Iterator[ScanCard]


@dataclass(frozen=True, slots=True)
class Rate:
    """How many of `n` got so far: shares in 0..1 with a 95 % interval; `share` is None of nothing."""

    name: str
    share: float | None
    low: float
    high: float
    n: int


def write(
    progress: Progress, client: Client, path: Path, address: str, *, verb: str = "demo", rates: Sequence[Rate] = ()
) -> Path:
    """Write the page to `path`. What `follow` let go is asked for again."""
    sizes = Sizes.of(len(progress.followed))
    answered = [each for each in progress.followed if has_answer(each)]
    page = (
        cards.environment()
        .get_template("scans.html.j2")
        .stream(
            total=len(progress.followed),
            answered=(_card(each, client, sizes) for each in answered),
            groups=list(_groups(progress.followed, client, sizes)),
            page=sizes.page or len(answered) or 1,
            pages=bool(sizes.page) and len(answered) > sizes.page,
            counts=Counter(each.status for each in progress.followed),
            seconds=progress.seconds,
            rates=rates,
            address=address,
            verb=verb,
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    page.dump(str(path), encoding="utf-8")
    return path


def has_answer(each: Followed) -> bool:
    """Whether there is anything to show but the reason why not."""
    stages = each.scan.stages if each.scan else ()
    return each.status == "failed" or any(
        stage.name.startswith("classify_") and stage.state == "ok" for stage in stages
    )


def _groups(followed: Sequence[Followed], client: Client, sizes: Sizes) -> Iterator[Group]:
    """By code, the most frequent first."""
    away = [each for each in followed if not has_answer(each)]
    for code, count in Counter(code_of(each) or each.status for each in away).most_common():
        here = [each for each in away if (code_of(each) or each.status) == code]
        shown = (_card(each, client, sizes, brief=True) for each in here)
        yield Group(code, SENTENCES.get(code, ""), count, shown)


def _card(each: Followed, client: Client, sizes: Sizes, *, brief: bool = False) -> ScanCard:
    """`brief` leaves out what only an answer has: the areas, and all pictures but the first."""
    code = code_of(each)
    scan = client.get(each.scan.id) if each.scan is not None and not each.scan.raw else each.scan
    album = Album(client, scan) if scan else None
    bars, seconds = timeline(scan) if scan else ([], None)
    shown = album if not brief else None
    report = (scan.report if scan else None) or {}
    return ScanCard(
        name=each.sample.name,
        id=scan.id if scan else None,
        status=each.status,
        code=code,
        sentence=SENTENCES.get(code or "", each.refusal.detail if each.refusal else ""),
        score=scan.health_score if scan else None,
        subject=cards.subject(report),
        pictures=_pictures(album, sizes, brief) if album else [],
        regions=_regions(scan, shown, sizes) if scan and shown else [],
        warnings=cards.warnings(report),
        bars=bars,
        seconds=seconds,
        pipeline_version=str(scan.raw.get("pipeline_version", "")) if scan else "",
        reason=cards.reason(report),
    )


def _regions(scan: Scan, album: Album, sizes: Sizes) -> list[RegionCard]:
    return [
        cards.region(name, finding, lambda artifact: album.picture(artifact, sizes.crop))
        for name, finding in scan.findings.items()
    ]


def _pictures(album: Album, sizes: Sizes, brief: bool) -> list[tuple[str, str]]:
    wanted = [("preview", "preview", sizes.hero), ("original", "canonical", sizes.side)]
    wanted += [("cut-out", "cutout", sizes.side), ("face", "face", sizes.side)]
    if brief:
        wanted = [(caption, name, sizes.side) for caption, name, _ in wanted]
    shown = ((caption, album.picture(name, side)) for caption, name, side in wanted)
    found = ((caption, address) for caption, address in shown if address)
    return list(islice(found, 1 if brief else None))
