"""A folder of pictures through the whole house by the command line: plan, send, pause, retry, do again, compare, export."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests import photos
from tests.servers.house import Guest

pytestmark = pytest.mark.timeout(300)
ADDRESSES = {"inside": "http://127.0.0.1:9", "outside": "https://example.org"}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cat whose ears are cut off, the same bytes again, no cat, and a file that is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "more").mkdir()
    (folder / "cat.jpg").write_bytes(photos.cat())
    (folder / "more" / "again.jpg").write_bytes(photos.cat())
    (folder / "more" / "man.jpg").write_bytes(photos.not_a_cat())
    (folder / "torn.jpg").write_bytes(b"this is text")
    return folder


def test_a_folder_from_plan_to_difference(guest: Guest, pictures: Path, tmp_path: Path) -> None:
    [plan] = guest.say("plan", str(pictures), "--samples", "2", "--near", "8", "--json")
    assert (plan["near"]["pairs"], plan["modes"]) == (0, {})
    assert (plan["lines"], plan["scans"], plan["duplicates"], plan["bad"]) == (4, 2, 1, {"UNSUPPORTED_FORMAT": 1})
    assert plan["time_s"] is None or plan["time_s"]["from"] <= plan["time_s"]["to"]

    [batch] = guest.say("create", str(pictures), "--name", "portraits", "--wait", "--json", end=3)
    assert batch["sent"]["added"] == 3 and batch["sent"]["refused"] == 1
    counts = batch["counts"]
    assert counts["items"] == 4 == sum(n for name, n in counts.items() if name != "items")
    assert (counts["rejected"], counts["refused"], batch["state"]) == (1, 1, "partial")

    [wrong] = guest.say("errors", batch["id"], "--status", "refused", "--status", "rejected", "--json")
    assert {(line["custom_id"], line["code"], line["stage"]) for line in wrong["items"]} == {
        ("torn.jpg", "UNSUPPORTED_FORMAT", "submit"),
        ("more/man.jpg", "NOT_A_CAT", "validate_subject"),
    }

    lines = guest.say("export", batch["id"])
    assert [line["custom_id"] for line in sorted(lines, key=lambda line: line["custom_id"])] == [
        "cat.jpg",
        "more/again.jpg",
        "more/man.jpg",
        "torn.jpg",
    ]
    by_name = {line["custom_id"]: line for line in lines}
    assert by_name["cat.jpg"]["report"] == by_name["more/again.jpg"]["report"]
    guest.say("export", batch["id"], "--format", "csv", "--out", str(tmp_path / "all.csv"))
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 5

    files = [tmp_path / "good.parquet", tmp_path / "bad.parquet"]
    words = ["--format", "parquet", "--out", str(files[0]), "--errors", str(files[1])]
    [told] = guest.say("export", batch["id"], *words, "--artifacts", str(tmp_path / "files"), "--json")
    assert told["lines"]["lines"] + told["lines"]["errors"] == 4
    assert sum(pq.read_metadata(file).num_rows for file in files) == 4
    sheet = tmp_path / "files" / "more" / "again" / "contact_sheet.jpg"
    assert sheet.read_bytes() == (tmp_path / "files" / "cat" / "contact_sheet.jpg").read_bytes()
    [told] = guest.say("export", batch["id"], "--artifacts", str(tmp_path / "files"), "--json")
    assert set(told["artifacts"]["files"]) == {"present"}

    [retried] = guest.say("retry", batch["id"], "--status", "rejected", "--json")
    assert retried["retried"] == 1
    [ended] = guest.say("status", batch["id"], "--wait", "--json", end=3)
    assert ended["counts"] == counts

    [again] = guest.say("reprocess", batch["id"], "--option", "generate_gradcam=false", "--wait", "--json", end=3)
    assert (again["parent"], again["counts"]) == (batch["id"], counts)
    [change] = guest.say("diff", batch["id"], again["id"], "--max-flips", "0", "--min-iou", "1", "--json")
    assert (change["lines"], change["flips"], change["worst"], change["pass"]) == (4, 0.0, [], True)


def test_only_what_is_new_is_sent_and_a_pause_and_a_cancel_hold(guest: Guest, pictures: Path, tmp_path: Path) -> None:
    [first] = guest.say("create", str(pictures), "--glob", "*cat.jpg", "--wait", "--json", end=3)
    [second] = guest.say("create", str(pictures), "--glob", "*.jpg", "--since", first["id"], "--paused", "--json")
    assert (second["sent"]["unchanged"], second["items"], second["state"]) == (1, 3, "paused")
    assert second["counts"]["queued"] == 2
    guest.say("resume", second["id"], "--json")
    [ended] = guest.say("status", second["id"], "--wait", "--json", end=3)
    assert (ended["state"], ended["counts"]["queued"], ended["counts"]["rejected"]) == ("partial", 0, 1)

    manifest = tmp_path / "list.jsonl"
    references = ({"custom_id": name, "image_url": f"{place}/cat.jpg"} for name, place in ADDRESSES.items())
    manifest.write_text("".join(f"{json.dumps(each)}\n" for each in references))
    [third] = guest.say("create", str(manifest), "--paused", "--json")
    assert (third["counts"]["refused"], third["counts"]["queued"]) == (1, 1)
    guest.say("cancel", third["id"], "--json")
    [ended] = guest.say("status", third["id"], "--wait", "--json", end=3)
    assert (ended["state"], ended["counts"]["cancelled"]) == ("cancelled", 1)
