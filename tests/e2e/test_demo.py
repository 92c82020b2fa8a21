"""`scanmill demo --once --json` with real processes: what the README promises of it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.supervisor import child_environment, scanmill
from tests.servers.house import bytes_of, command_line

pytestmark = pytest.mark.timeout(420)
AREAS = ["left_eye", "right_eye", "left_ear", "right_ear", "mouth"]
NOT_CATS = {"astronaut.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg"}


class Demo:
    """One run: the objects it printed, by file, and everything around."""

    def __init__(self, folder: Path) -> None:
        photos = folder / "photos" / "mine"
        photos.mkdir(parents=True)
        (photos / "again.png").write_bytes(bytes_of("chelsea.png"))
        (photos / "notes.txt").write_text("not looked at")
        words = ["demo", "--once", "--json", "--photos", str(folder / "photos"), "--slots", "1"]
        self.finished = subprocess.run(
            scanmill(*words),
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
            env=child_environment({"SCANMILL_VAR": str(folder / "var"), "COLUMNS": "200"}),
        )
        self.var = folder / "var" / "demo"
        self.rows: dict[str, dict[str, Any]] = {
            row["file"]: row for row in map(json.loads, self.finished.stdout.splitlines())
        }
        self.page = (self.var / "report.html").read_text() if (self.var / "report.html").exists() else ""


@pytest.fixture(scope="module")
def demo(server_folder: Path) -> Demo:
    folder = server_folder / "demo"
    folder.mkdir()
    made = Demo(folder)
    assert made.finished.returncode == 0, made.finished.stderr[-4000:]
    return made


def test_there_is_one_object_per_picture_and_nothing_else_on_stdout(demo: Demo) -> None:
    assert set(demo.rows) == {"chelsea.png", "not_a_picture.jpg", "mine/again.png", *NOT_CATS}
    assert len(demo.finished.stdout.splitlines()) == len(demo.rows)
    fields = {"id", "file", "status", "code", "findings", "health_score", "artifacts", "stages"}
    assert all(set(row) == fields for row in demo.rows.values())


def test_the_cat_is_answered_and_what_leaves_the_picture_is_not_made_up(demo: Demo) -> None:
    cat = demo.rows["chelsea.png"]
    assert cat["status"] in ("succeeded", "partial")
    assert list(cat["findings"]) == AREAS
    for area in AREAS:
        finding = cat["findings"][area]
        if "label" in finding:
            assert 0 <= finding["confidence"] <= 1 and {f"crop_{area}", f"heatmap_{area}"} <= set(cat["artifacts"])
        else:
            assert finding == {"outcome": "abstained", "code": "REGION_OUTSIDE_IMAGE"}
            assert f"crop_{area}" not in cat["artifacts"]
    assert {"left_eye", "right_eye"} <= {area for area in AREAS if "label" in cat["findings"][area]}
    assert "label" not in cat["findings"]["left_ear"] and "label" not in cat["findings"]["right_ear"]
    assert {"original", "canonical", "cutout", "face", "preview"} <= set(cat["artifacts"])


def test_every_stage_says_how_long_it_took(demo: Demo) -> None:
    stages = demo.rows["chelsea.png"]["stages"]
    assert [stage["name"] for stage in stages][:2] == ["fetch_input", "decode_image"] and len(stages) == 15
    assert all(stage["ms"] > 0 and stage["attempts"] == 1 for stage in stages if stage["outcome"] == "ok")


def test_the_same_picture_has_the_same_findings(demo: Demo) -> None:
    first, second = demo.rows["chelsea.png"], demo.rows["mine/again.png"]
    assert first["id"] != second["id"] and first["findings"] == second["findings"]


@pytest.mark.parametrize("name", sorted(NOT_CATS))
def test_what_is_no_cat_is_rejected_with_the_reason(demo: Demo, name: str) -> None:
    row = demo.rows[name]
    assert (row["status"], row["code"], row["health_score"]) == ("rejected", "NOT_A_CAT", None)
    assert not any("label" in finding for finding in row["findings"].values())


def test_a_text_file_is_refused_by_the_api(demo: Demo) -> None:
    row = demo.rows["not_a_picture.jpg"]
    assert (row["id"], row["status"], row["code"], row["stages"]) == (None, "refused", "UNSUPPORTED_FORMAT", [])


def test_the_page_holds_every_picture_and_needs_no_network(demo: Demo) -> None:
    assert all(name in demo.page for name in demo.rows)
    cat = demo.rows["chelsea.png"]
    answered = sum("label" in finding for finding in cat["findings"].values())
    assert demo.page.count("data:image/webp;base64,") >= 2 * (4 + 2 * answered) + len(NOT_CATS)
    assert "http-equiv" in demo.page and 'src="http' not in demo.page and "<script" not in demo.page


def test_progress_is_on_stderr_and_no_process_is_left(demo: Demo) -> None:
    assert f"{len(demo.rows)}/{len(demo.rows)} answered" in demo.finished.stderr
    assert within(5, lambda: not left_of(demo.var)), [command_line(pid) for pid in left_of(demo.var)]
    assert not (demo.var / "run.env").exists()


def left_of(var: Path) -> list[int]:
    """Processes whose command line or environment names the demo's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(var) in told:
            found.append(int(entry.name))
    return found


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False
