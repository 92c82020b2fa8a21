"""Pictures that lie on the server, by the command line and through the whole house: a folder, then a prefix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import photos
from tests.servers.house import Guest

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def pictures(open_folder: Path) -> Path:
    """A cat, no cat in a folder below, a text that is named like a picture, and a link out of all this."""
    folder = open_folder / "pictures"
    (folder / "more").mkdir(parents=True)
    (folder / "cat.jpg").write_bytes(photos.cat())
    (folder / "more" / "man.jpg").write_bytes(photos.not_a_cat())
    (folder / "torn.jpg").write_text("this is text")
    (folder / "out.jpg").symlink_to("/etc/passwd")
    return folder


def lines(guest: Guest, batch: dict[str, Any]) -> dict[str, str]:
    return {line["custom_id"]: line["code"] or line["status"] for line in guest.say("export", batch["id"])}


def test_a_folder_of_the_server_then_what_changed_then_a_prefix(guest: Guest, pictures: Path) -> None:
    [first] = guest.say("create", f"server:{pictures}", "--name", "night", "--wait", "--json", end=3)
    assert (first["state"], first["name"], first["listed"]) == ("partial", "night", 4)
    found = lines(guest, first)
    assert {name: code for name, code in found.items() if name != "cat.jpg"} == {
        "more/man.jpg": "NOT_A_CAT",
        "out.jpg": "PATH_NOT_ALLOWED",
        "torn.jpg": "UNSUPPORTED_FORMAT",
    }

    (pictures / "new.png").write_bytes(photos.not_a_cat())
    words = ("create", f"server:{pictures}", "--glob", "*.jpg", "--glob", "*.png", "--since", first["id"])
    [second] = guest.say(*words, "--wait", "--json")
    assert (second["listed"], second["items"]) == (5, 3)
    assert lines(guest, second) == {
        "new.png": "NOT_A_CAT",
        "out.jpg": "PATH_NOT_ALLOWED",
        "torn.jpg": "UNSUPPORTED_FORMAT",
    }

    objects = guest.storage / "o" / "in"
    objects.mkdir(parents=True)
    (objects / "man.jpg").write_bytes(photos.not_a_cat())
    [third] = guest.say("create", "prefix:in", "--wait", "--json")
    assert (third["state"], lines(guest, third)) == ("succeeded", {"man.jpg": "NOT_A_CAT"})

    [missing] = guest.say("create", "prefix:june", "--wait", "--json", end=1)
    assert (missing["state"], missing["code"]) == ("failed", "SOURCE_MISSING")
    guest.say("create", "server:/etc", "--json", end=3)
    guest.say("plan", f"server:{pictures}", "--json", end=2)
    guest.say("create", str(pictures / "nowhere"), "--json", end=2)
