"""A folder becomes a batch, a signed pack, and a page from disk, by the command line and real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cli.supervisor import child_environment, scanmill
from tests import photos
from tests.servers.house import House
from tests.stack import until

pytestmark = pytest.mark.timeout(400)


def say(house: House | None, *words: str, end: int = 0) -> Any:
    """`scanmill …` as a process; its JSON."""
    settings = {"SCANMILL_API_URL": house.url, "SCANMILL_API_KEY": house.key} if house else {}
    done = subprocess.run(
        [*scanmill(words[0]), *words[1:], "--json"],
        env=child_environment(settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == end, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def test_from_a_folder_to_a_pack_that_is_the_same_after_the_api_s_death(server_folder: Path, tmp_path: Path) -> None:
    pictures, pack, again = tmp_path / "pictures", tmp_path / "a.zip", tmp_path / "b.zip"
    pictures.mkdir()
    (pictures / "cat.jpg").write_bytes(photos.cat())
    (pictures / "man.jpg").write_bytes(photos.not_a_cat())
    (pictures / "torn.jpg").write_bytes(b"this is text")
    folder = server_folder / "scanpack"
    folder.mkdir()

    with House(folder) as house:
        batch = say(house, "batch", "create", str(pictures), "--paused")["id"]
        refused = say(house, "batch", "pack", batch, "--out", str(pack), end=3)
        assert refused["code"] == "NOT_FINISHED" and not list(tmp_path.glob("*.zip*"))
        say(house, "batch", "resume", batch)
        say(house, "batch", "status", batch, "--wait", end=3)
        told = say(house, "batch", "pack", batch, "--out", str(pack))
        say(house, "batch", "report", batch, "--out", str(tmp_path / "pages"))
        say(house, "batch", "report", batch, "--out", str(tmp_path / "pages"), end=2)
        with house.client() as client:
            key = client.send("GET", "/v1/signing-key").json()
        [master, *_] = sorted(house.pids("-m", "gunicorn"))
        os.kill(master, signal.SIGKILL)
        until(lambda: bool(house.pids("-m", "gunicorn")) and master not in house.pids("-m", "gunicorn"), 60)
        say(house, "batch", "pack", batch, "--out", str(again))

    assert pack.read_bytes() == again.read_bytes() and not list(tmp_path.glob("*.part"))
    assert told["key"] == key["id"]
    is_trusted(pack, key, tmp_path / "key.pem")
    shows_everything(tmp_path / "pages")


def is_trusted(pack: Path, key: dict[str, str], file: Path) -> None:
    """With the key by file or by id, and no service at all; not without, and not once a byte is another."""
    file.write_text(key["public_key"])
    for given in (str(file), key["id"]):
        assert say(None, "verify", str(pack), "--key", given)["trusted"] is True
    assert say(None, "verify", str(pack), end=3)["key"] == key["id"]
    content = bytearray(pack.read_bytes())
    content[content.index(b'"custom_id":"cat.jpg"') + 15] ^= 1
    pack.write_bytes(content)
    assert list(say(None, "verify", str(pack), "--key", key["id"], end=1)["damaged"]) == ["results.jsonl"]


def shows_everything(pages: Path) -> None:
    """Every line is on the page, and every picture that it shows is in the folder."""
    page = (pages / "index.html").read_text()
    assert page.count("<article") == 3 and "NOT_A_CAT" in page and "UNSUPPORTED_FORMAT" in page
    shown = set(re.findall(r'(?:src|href)="([^"]+)"', page))
    assert len([name for name in shown if "heatmap_" in name]) >= 1
    assert all((pages / name).stat().st_size for name in shown)
    assert "http:" not in page and "https:" not in page and "<script" not in page
