"""The demo's words, table and page, from answers of the service."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from cli.client import Client
from cli.client_errors import ApiError
from cli.demo import board, report, samples
from cli.demo.follow import Followed, Progress
from cli.demo.pictures import small
from cli.demo.samples import Sample
from cli.demo.timeline import timeline
from cli.processes import ProcessError
from cli.scan import Scan

SUBJECT = {"subject": "cat", "probability": 0.031, "threshold": 0.7, "breed": None}


def stage(
    name: str, state: str = "ok", start: float | None = None, end: float | None = None, **more: Any
) -> dict[str, Any]:
    def time(second: float | None) -> str | None:
        return None if second is None else f"2026-01-01T00:00:0{second:.3f}+00:00"

    compute = None if start is None or end is None else 1000 * (end - start)
    times = {"started_at": time(start), "finished_at": time(end), "compute_ms": compute}
    return {"name": name, "state": state, "code": None, "attempts": 1, "reused": False, **times, **more}


def scan(status: str, code: str | None, findings: dict[str, Any], stages: list[dict[str, Any]]) -> Scan:
    told = {"findings": findings, "health_score": 77.1, "subject": SUBJECT, "warnings": [{"code": "SEVERAL_FACES"}]}
    return Scan.of({"id": "01a1", "status": status, "code": code, "report": told, "stages": stages, "artifacts": []})


@pytest.fixture
def progress() -> Progress:
    found = {
        "mouth": {"label": "abnormal", "confidence": 0.93, "probabilities": {"normal": 0.07, "abnormal": 0.93}},
        "left_ear": {"outcome": "abstained", "code": "REGION_OUTSIDE_IMAGE"},
    }
    skipped = {"mouth": {"outcome": "skipped", "code": "UPSTREAM_NOT_OK"}}
    model = {"m": {"name": "m", "version": "1", "pack": "starter", "runtime": "onnx", "digest": "0123456789abcdef"}}
    stages = [
        stage("fetch_input", start=1, end=2),
        stage("classify_left_ear", "abstained", 2, 2.5, code="REGION_OUTSIDE_IMAGE"),
        stage("classify_mouth", start=3, end=5, models=model),
    ]
    rejected = [stage("validate_subject", "rejected", 1, 2, code="NOT_A_CAT"), stage("classify_mouth", "skipped")]
    followed = [
        Followed(Sample("<b>cat</b>.jpg", b""), scan("partial", "REGION_OUTSIDE_IMAGE", found, stages)),
        Followed(Sample("cup.png", b""), scan("rejected", "NOT_A_CAT", skipped, rejected)),
        Followed(Sample("text.jpg", b""), refusal=ApiError("UNSUPPORTED_FORMAT", 415, "Not a picture.")),
    ]
    return Progress(followed, 4.2, ["fetch_input", "classify_mouth"])


def printed(what: Any) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_says_what_became_of_each(progress: Progress) -> None:
    cat, cup, text = printed(board.results(progress)).splitlines()[1:]
    assert "partial" in cat and "77" in cat and "left ear REGION_OUTSIDE_IMAGE, mouth abnormal 93%" in cat
    assert "NOT_A_CAT" in cup and "cat 3.1% (at least 70% is needed)" in cup and "UPSTREAM" not in cup
    assert "refused" in text and "UNSUPPORTED_FORMAT" in text and "Not a picture." in text


def test_the_board_counts_every_scan_of_every_stage(progress: Progress) -> None:
    shown = printed(board.board(progress))
    assert "3 of 3 pictures answered, 4.2 s" in shown
    assert "1 ok  1 skipped" in next(line for line in shown.splitlines() if "classify_mouth" in line)
    assert board.line(progress) == "  4.2 s  3/3 answered"


def test_findings_stand_in_the_order_of_the_stages(progress: Progress) -> None:
    cat = progress.followed[0].scan
    assert cat is not None and list(cat.findings) == ["left_ear", "mouth"]


def test_the_time_line_covers_first_start_to_last_end(progress: Progress) -> None:
    cat = progress.followed[0].scan
    assert cat is not None
    bars, seconds = timeline(cat)
    assert seconds == 4
    assert [(bar.left, bar.width, bar.said) for bar in bars] == [
        (0, 25, "1000 ms"),
        (25, 12.5, "REGION_OUTSIDE_IMAGE"),
        (50, 50, "2000 ms"),
    ]
    assert bars[2].models == ["m 1 (starter, onnx, 0123456789ab)"]


def test_the_page_escapes_names_and_shows_reasons(progress: Progress, tmp_path: Path) -> None:
    with Client("http://127.0.0.1:9") as client:  # never asked: these scans have no artifacts
        page = report.write(progress, client, tmp_path / "a" / "page.html", "http://here").read_text()
    assert "&lt;b&gt;cat&lt;/b&gt;.jpg" in page and "<b>cat" not in page
    assert "The region lies beyond the edge of the picture." in page and "Several faces" in page
    answered, _, away = page.partition("Turned away")
    assert "93.0 %" in answered and "cup.png" not in answered
    assert "cup.png" in away and "text.jpg" in away and "1 of 2 stages" in away


def test_pictures_become_small_and_keep_their_transparency() -> None:
    big = io.BytesIO()
    Image.new("RGBA", (400, 200), (255, 0, 0, 0)).save(big, "PNG")
    address = small(big.getvalue(), 100)
    assert address.startswith("data:image/webp;base64,")
    import base64

    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as found:
        assert found.size == (100, 50) and found.mode == "RGBA" and found.getchannel("A").getextrema() == (0, 0)


def test_the_samples_come_from_the_installed_package() -> None:
    found = samples.bundled()
    assert found[0].name == "chelsea.png" and len(found) == 6
    assert found[0].content.startswith(b"\x89PNG") and found[-1].content.startswith(b"This is a text file")


def test_a_folder_gives_its_pictures_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("b/2.PNG", "1.jpg", "notes.txt", "b/.hidden"):
        (tmp_path / name).write_bytes(b"x")
    assert [sample.name for sample in samples.from_folder(tmp_path)] == ["1.jpg", "b/2.PNG"]
    assert [sample.name for sample in samples.from_folder(tmp_path / "notes.txt")] == ["notes.txt"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ProcessError, match="no pictures"):
        samples.from_folder(tmp_path / "empty")
