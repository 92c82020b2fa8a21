"""`scanmill report DIR --json` with real processes: one object, one page, rates that add up, and nothing left running."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from cli.supervisor import child_environment, scanmill
from tests.servers.house import bytes_of

pytestmark = pytest.mark.timeout(420)


def test_a_folder_becomes_one_page(server_folder: Path) -> None:
    folder = server_folder / "report"
    photos = folder / "photos"
    photos.mkdir(parents=True)
    for name in ("chelsea.png", "coffee.png"):
        (photos / name).write_bytes(bytes_of(name))
    (photos / "text.jpg").write_text("no picture")
    page = folder / "page.html"
    finished = subprocess.run(
        scanmill("report", str(photos), "--to", str(page), "--json", "--slots", "1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
        env=child_environment({"SCANMILL_VAR": str(folder / "var"), "COLUMNS": "200"}),
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    told = json.loads(finished.stdout)
    assert told["page"] == str(page) and told["pictures"] == 3 == sum(told["statuses"].values())
    assert told["codes"]["NOT_A_CAT"] == 1 and told["codes"]["UNSUPPORTED_FORMAT"] == 1
    assert [(rate["share"], rate["n"]) for rate in told["rates"]] == [(0.5, 2), (1.0, 1), (1.0, 1)]
    text = page.read_text(encoding="utf-8")
    answered, _, away = text.partition("Turned away")
    assert "chelsea.png" in answered and "coffee.png" in away and "text.jpg" in away
    assert "How far the pictures got" in answered and 'src="http' not in text and "<script" not in text
