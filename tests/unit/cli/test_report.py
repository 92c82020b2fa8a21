"""A folder's report: memory let go and asked for again, pages, groups by code, rates."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cli.client import Client
from cli.client_errors import ApiError
from cli.demo import report
from cli.demo.follow import Followed, Progress, follow
from cli.demo.rates import rates
from cli.demo.samples import Sample
from cli.scan import Artifact, Scan
from cli.verbs.report import summary

STEPS = ("validate_subject", "detect_face", "detect_landmarks", "classify_mouth")


def scan(number: int, *states: str, code: str | None = None, reason: str | None = None) -> Scan:
    """A finished scan whose first stages ended so; the others were skipped."""
    ended = [*states, *["skipped"] * (len(STEPS) - len(states))]
    stages = [{"name": name, "state": state} for name, state in zip(STEPS, ended, strict=True)]
    detail = {"detect_landmarks": {"detail": {"reason": reason}}} if reason else {}
    found = {"mouth": {"label": "normal", "confidence": 0.9, "probabilities": {"normal": 0.9, "abnormal": 0.1}}}
    told: dict[str, Any] = {"findings": found if ended[-1] == "ok" else {}, "stages": detail}
    status = "rejected" if "rejected" in states else "partial" if "abstained" in states else "succeeded"
    file = {"name": "preview", "sha256": "0" * 64, "size": 9, "media_type": "image/jpeg"}
    return Scan.of(
        {"id": f"s{number}", "status": status, "code": code, "report": told, "stages": stages, "artifacts": [file]}
    )


def cats(count: int) -> list[Scan]:
    return [scan(number, "ok", "ok", "ok", "ok") for number in range(count)]


OTHERS = [
    scan(100, "rejected", code="NOT_A_CAT"),
    scan(101, "rejected", code="NOT_A_CAT"),
    scan(102, "ok", "rejected", code="NO_FACE_DETECTED"),
    scan(103, "ok", "ok", "abstained", code="LANDMARK_DETECTION_FAILED", reason="mouth_centred"),
]


class Service(Client):
    """Answers with finished scans, and counts how many are open at once. Its submit refuses what is named `text`."""

    def __init__(self, scans: list[Scan]) -> None:
        super().__init__("http://127.0.0.1:9")
        self.scans = {each.id: each for each in scans}
        self.fresh = list(scans)
        self.open: set[str] = set()
        self.most = 0

    def submit(self, picture: Any = None, **more: Any) -> Scan:
        if more["filename"] == "text":
            raise ApiError("UNSUPPORTED_FORMAT", 415, "Not a picture.")
        taken = self.fresh.pop(0)
        self.open.add(taken.id)
        self.most = max(self.most, len(self.open))
        return replace(taken, status="queued")

    def get(self, scan_id: str) -> Scan:
        self.open.discard(scan_id)
        return self.scans[scan_id]

    def download(self, scan_id: str, artifact: Artifact) -> bytes:
        written = io.BytesIO()
        Image.new("RGB", (600, 400), (200, 30, 30)).save(written, "JPEG")
        return written.getvalue()


def followed(scans: list[Scan], *, keep: bool = False) -> tuple[Service, Progress]:
    service = Service(scans)
    names = [Sample(f"{each.id}.jpg", b"x") for each in scans]
    return service, follow(service, [*names, Sample("text", b"x")], lambda _: None, keep=keep)


def test_a_bounded_number_is_open_and_what_is_finished_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.demo.follow._PAUSE_S", 0)
    service, progress = followed(cats(200))
    assert service.most == 64
    done = [each.scan for each in progress.followed if each.scan]
    assert len(done) == 200 and all(one.raw == {} and one.report is None and one.stages for one in done)
    _, kept = followed(cats(3), keep=True)
    assert all(each.scan.report for each in kept.followed if each.scan)


def test_a_file_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    sample = Sample("a.jpg", tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes(b"later")
    assert sample.content == b"later"


def test_rates_are_of_the_pictures_that_a_step_looked_at() -> None:
    _, progress = followed([*cats(6), *OTHERS])
    found = {rate.name: (rate.share, rate.n) for rate in rates(progress)}
    assert found == {
        "accepted as a cat": (0.8, 10),
        "face found, of those": (0.875, 8),
        "landmarks accepted, of those": (0.8571, 7),
    }
    assert all(rate.low <= (rate.share or 0) <= rate.high for rate in rates(progress))
    assert rates(Progress([Followed(Sample("a", b""))]))[0].share is None


def test_the_summary_counts_everything() -> None:
    _, progress = followed([*cats(6), *OTHERS])
    told = summary(progress)
    assert told["pictures"] == 11 == sum(told["statuses"].values())
    assert told["codes"]["NOT_A_CAT"] == 2 and told["codes"]["UNSUPPORTED_FORMAT"] == 1


def test_the_page_groups_failures_by_code_and_names_the_rule(tmp_path: Path) -> None:
    service, progress = followed([*cats(2), *OTHERS])
    text = report.write(
        progress, service, tmp_path / "p.html", "here", verb="report", rates=rates(progress)
    ).read_text()
    answered, _, away = text.partition("Turned away")
    assert "s0.jpg" in answered and "s1.jpg" in answered and "s100.jpg" not in answered
    assert away.index("NOT_A_CAT") < away.index("NO_FACE_DETECTED"), "the most frequent first"
    assert "because of: mouth centred" in away and "text" in away and "of 6" in text
    assert text.count('<details class="page"') == 4 and "<script" not in text


def test_many_pictures_come_in_pages_and_smaller(tmp_path: Path) -> None:
    sizes = [report.Sizes.of(count) for count in (10, 300, 5000)]
    assert [size.hero for size in sizes] == sorted((size.hero for size in sizes), reverse=True)
    service, progress = followed(cats(70))
    text = report.write(progress, service, tmp_path / "p.html", "here").read_text()
    assert text.count("<article") == 70 and text.count("Pictures from") == 3
    assert "open><summary>Pictures from s0.jpg to s23.jpg" in text
