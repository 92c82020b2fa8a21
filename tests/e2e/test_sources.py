"""Pictures that lie on the server, by the command line and through the whole house: a folder, then a prefix."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.supervisor import child_environment, scanmill
from tests import photos
from tests.servers.house import House

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cat, no cat in a folder below, a text that is named like a picture, and a link out of all this."""
    folder = tmp_path_factory.mktemp("open") / "pictures"
    (folder / "more").mkdir(parents=True)
    (folder / "cat.jpg").write_bytes(photos.cat())
    (folder / "more" / "man.jpg").write_bytes(photos.not_a_cat())
    (folder / "torn.jpg").write_text("this is text")
    (folder / "out.jpg").symlink_to("/etc/passwd")
    return folder


@pytest.fixture(scope="module")
def house(server_folder: Path, pictures: Path) -> Iterator[House]:
    folder = server_folder / "sources"
    folder.mkdir()
    roots = {"SCANMILL_BATCH_ROOTS": json.dumps([str(pictures.parent)])}
    with House(folder, slots=2, environment=roots) as running:
        yield running


def say(house: House, *words: str, end: int = 0) -> Any:
    """`scanmill batch …` as a process; its JSON."""
    environment = child_environment({"SCANMILL_API_URL": house.url, "SCANMILL_API_KEY": house.key})
    done = subprocess.run(
        [*scanmill("batch"), *words], env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == end, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def lines(house: House, batch: dict[str, Any]) -> dict[str, str]:
    return {line["custom_id"]: line["code"] or line["status"] for line in say(house, "export", batch["id"])}


def test_a_folder_of_the_server_then_what_changed_then_a_prefix(house: House, pictures: Path) -> None:
    [first] = say(house, "create", f"server:{pictures}", "--name", "night", "--wait", "--json", end=3)
    assert (first["state"], first["name"], first["listed"]) == ("partial", "night", 4)
    found = lines(house, first)
    assert {name: code for name, code in found.items() if name != "cat.jpg"} == {
        "more/man.jpg": "NOT_A_CAT",
        "out.jpg": "PATH_NOT_ALLOWED",
        "torn.jpg": "UNSUPPORTED_FORMAT",
    }

    (pictures / "new.png").write_bytes(photos.not_a_cat())
    words = ("create", f"server:{pictures}", "--glob", "*.jpg", "--glob", "*.png", "--since", first["id"])
    [second] = say(house, *words, "--wait", "--json")
    assert (second["listed"], second["items"]) == (5, 3)
    assert lines(house, second) == {
        "new.png": "NOT_A_CAT",
        "out.jpg": "PATH_NOT_ALLOWED",
        "torn.jpg": "UNSUPPORTED_FORMAT",
    }

    [tenant] = (house.folder / "storage" / "t").iterdir()
    (tenant / "o" / "in").mkdir(parents=True)
    (tenant / "o" / "in" / "man.jpg").write_bytes(photos.not_a_cat())
    [third] = say(house, "create", "prefix:in", "--wait", "--json")
    assert (third["state"], lines(house, third)) == ("succeeded", {"man.jpg": "NOT_A_CAT"})

    [missing] = say(house, "create", "prefix:june", "--wait", "--json", end=1)
    assert (missing["state"], missing["code"]) == ("failed", "SOURCE_MISSING")
    say(house, "create", "server:/etc", "--json", end=3)
    say(house, "plan", f"server:{pictures}", "--json", end=2)
    say(house, "create", str(pictures / "nowhere"), "--json", end=2)
