"""The demo's page: one self-contained HTML file with every picture in it, readable without a network."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
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

_HERO, _SIDE, _CROP = 720, 420, 224
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

    @property
    def answered(self) -> bool:
        """Whether there is anything to show but the reason why not."""
        return any(region.label for region in self.regions) or self.status == "failed"


def write(progress: Progress, client: Client, path: Path, address: str) -> Path:
    """Write the page to `path`."""
    cards = [_card(each, client) for each in progress.followed]
    loader = PackageLoader("cli.demo", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    page = environment.get_template("report.html.j2").render(
        total=len(cards),
        answered=[card for card in cards if card.answered],
        turned_away=[card for card in cards if not card.answered],
        counts=Counter(card.status for card in cards),
        seconds=progress.seconds,
        address=address,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page)
    return path


def _card(each: Followed, client: Client) -> ScanCard:
    code = code_of(each)
    sentence = _SENTENCES.get(code or "", each.refusal.detail if each.refusal else "")
    scan = each.scan
    album = Album(client, scan) if scan else None
    bars, seconds = timeline(scan) if scan else ([], None)
    return ScanCard(
        name=each.sample.name,
        id=scan.id if scan else None,
        status=each.status,
        code=code,
        sentence=sentence,
        score=scan.health_score if scan else None,
        subject=subject_of(scan) if scan else "",
        pictures=_pictures(album) if album else [],
        regions=[_region(name, found, album) for name, found in scan.findings.items()] if scan and album else [],
        warnings=_warnings(scan) if scan else [],
        bars=bars,
        seconds=seconds,
        pipeline_version=str(scan.raw.get("pipeline_version", "")) if scan else "",
    )


def _warnings(scan: Scan) -> list[str]:
    """What a reader should know before believing the rest; regions without an answer say so themselves."""
    found = (scan.report or {}).get("warnings") or []
    return [
        f"{warning['code'].replace('_', ' ').capitalize()}{': ' + region.replace('_', ' ') if region else ''}"
        for warning in found
        if (region := warning.get("region", "")) is not None and warning["code"] != "REGION_NOT_ANSWERED"
    ]


def _pictures(album: Album) -> list[tuple[str, str]]:
    wanted = [("preview", "preview", _HERO), ("original", "canonical", _SIDE)]
    wanted += [("cut-out", "cutout", _SIDE), ("face", "face", _SIDE)]
    shown = [(caption, album.picture(name, side)) for caption, name, side in wanted]
    return [(caption, address) for caption, address in shown if address]


def _region(name: str, finding: dict[str, Any], album: Album) -> RegionCard:
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
        crop=album.picture(f"crop_{name}", _CROP),
        heatmap=album.picture(f"heatmap_{name}", _CROP),
    )
