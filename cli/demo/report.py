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
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cli.client import Client
from cli.demo.board import code_of, subject_of
from cli.demo.follow import Followed, Progress
from cli.demo.pictures import Album
from cli.demo.timeline import Bar, timeline
from cli.scan import Scan
from pipeline.errors import PLAIN_CODES, taxonomy

_SENTENCES = {code: (error.__doc__ or "").strip() for code, error in taxonomy().items()} | PLAIN_CODES


@dataclass(frozen=True, slots=True)
class RegionCard:
    """One area: what was said of it, and its pictures as data addresses."""

    name: str
    label: str | None
    confidence: float | None
    needs_review: bool
    probabilities: list[tuple[str, float]]
    code: str | None
    sentence: str
    crop: str | None
    heatmap: str | None


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
    loader = PackageLoader("cli.demo", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    page = environment.get_template("report.html.j2").stream(
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
        cards = (_card(each, client, sizes, brief=True) for each in here)
        yield Group(code, _SENTENCES.get(code, ""), count, cards)


def _card(each: Followed, client: Client, sizes: Sizes, *, brief: bool = False) -> ScanCard:
    """`brief` leaves out what only an answer has: the areas, and all pictures but the first."""
    code = code_of(each)
    scan = client.get(each.scan.id) if each.scan is not None and not each.scan.raw else each.scan
    album = Album(client, scan) if scan else None
    bars, seconds = timeline(scan) if scan else ([], None)
    shown = album if not brief else None
    return ScanCard(
        name=each.sample.name,
        id=scan.id if scan else None,
        status=each.status,
        code=code,
        sentence=_SENTENCES.get(code or "", each.refusal.detail if each.refusal else ""),
        score=scan.health_score if scan else None,
        subject=subject_of(scan) if scan else "",
        pictures=_pictures(album, sizes, brief) if album else [],
        regions=[_region(*found, shown, sizes) for found in scan.findings.items()] if scan and shown else [],
        warnings=_warnings(scan) if scan else [],
        bars=bars,
        seconds=seconds,
        pipeline_version=str(scan.raw.get("pipeline_version", "")) if scan else "",
        reason=_reason(scan) if scan else "",
    )


def _reason(scan: Scan) -> str:
    """The rule that a verdict names, where it names one."""
    told = [stage.get("detail", {}).get("reason") for stage in ((scan.report or {}).get("stages") or {}).values()]
    return next((str(reason).replace("_", " ") for reason in told if reason), "")


def _warnings(scan: Scan) -> list[str]:
    """What a reader should know before believing the rest; regions without an answer say so themselves."""
    found = (scan.report or {}).get("warnings") or []
    return [
        f"{warning['code'].replace('_', ' ').capitalize()}{': ' + region.replace('_', ' ') if region else ''}"
        for warning in found
        if (region := warning.get("region", "")) is not None and warning["code"] != "REGION_NOT_ANSWERED"
    ]


def _pictures(album: Album, sizes: Sizes, brief: bool) -> list[tuple[str, str]]:
    wanted = [("preview", "preview", sizes.hero), ("original", "canonical", sizes.side)]
    wanted += [("cut-out", "cutout", sizes.side), ("face", "face", sizes.side)]
    if brief:
        wanted = [(caption, name, sizes.side) for caption, name, _ in wanted]
    shown = ((caption, album.picture(name, side)) for caption, name, side in wanted)
    found = ((caption, address) for caption, address in shown if address)
    return list(islice(found, 1 if brief else None))


def _region(name: str, finding: dict[str, Any], album: Album, sizes: Sizes) -> RegionCard:
    code = finding.get("code")
    probabilities = sorted((finding.get("probabilities") or {}).items(), key=lambda pair: -pair[1])
    return RegionCard(
        name=name.replace("_", " "),
        label=finding.get("label"),
        confidence=finding.get("confidence"),
        needs_review=bool(finding.get("needs_review")),
        probabilities=[(label.replace("_", " "), value) for label, value in probabilities],
        code=code,
        sentence=_SENTENCES.get(code or "", ""),
        crop=album.picture(f"crop_{name}", sizes.crop),
        heatmap=album.picture(f"heatmap_{name}", sizes.crop),
    )
