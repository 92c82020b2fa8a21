"""Real photographs in a folder with everything that goes wrong in one: each line ends once, and the counts add up."""

from __future__ import annotations

import io
import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.servers.house import Guest

pytestmark = pytest.mark.timeout(600)
PLACES = (folder / "shared" / "training" for folder in Path(__file__).resolve().parents)
TRAINING = next((place for place in PLACES if place.is_dir()), None)
CATS = ("cats_dogs/train/cat__*", "cats_maxogden_bsd/train/*", "cat_face_landmarks_pseudo/train/*")
OTHERS = ("cats_dogs/train/dog__*", "noncat_caltech101/train/*", "people_ccp/train/*", "imagenet_sample1000/train/*")
ENDS = ("refused", "succeeded", "partial", "rejected", "failed", "cancelled")


@dataclass
class Planted:
    """A folder of pictures, and what must become of some of its lines."""

    folder: Path
    ends: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Line → status, code and stage that it must end with."""
    same_bytes: dict[str, str] = field(default_factory=dict)
    same_pixels: dict[str, str] = field(default_factory=dict)
    """Line → the line that it repeats."""
    others: list[str] = field(default_factory=list)
    """Photographs without a cat."""
    cats: list[str] = field(default_factory=list)

    def put(self, name: str, content: bytes, *end: str) -> str:
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        if end:
            self.ends[name] = (end[0], end[1], end[2])
        return name


def photographs(patterns: tuple[str, ...], count: int, dice: random.Random) -> list[Path]:
    """As many from each set, the same ones every time."""
    assert TRAINING is not None
    found = []
    for place, pattern in enumerate(patterns):
        share = count // len(patterns) + (place < count % len(patterns))
        found += dice.sample(sorted(TRAINING.glob(pattern)), share)
    return found


def planted(folder: Path, count: int, seed: int) -> Planted:
    """``count`` photographs, three quarters of them cats, and for each fifty of them one of each kind of trouble, twice."""
    dice, made = random.Random(seed), Planted(folder)
    folder.mkdir()
    cats = photographs(CATS, count * 3 // 4, dice)
    made.cats = [made.put(f"cats/{place:03}.jpg", photo.read_bytes()) for place, photo in enumerate(cats)]
    others = photographs(OTHERS, count - len(cats), dice)
    made.others = [made.put(f"others/{place:03}.jpg", photo.read_bytes()) for place, photo in enumerate(others)]
    for n in range(max(1, count // 50) * 2):
        name, content = made.cats[n], cats[n].read_bytes()
        made.same_bytes[made.put(f"again/bytes{n}.jpg", content)] = name
        made.same_pixels[made.put(f"again/pixels{n}.jpg", commented(content))] = name
        made.put(f"bad/text{n}.jpg", b"this is no picture", "refused", "UNSUPPORTED_FORMAT", "submit")
        made.put(f"bad/empty{n}.jpg", b"", "refused", "EMPTY_FILE", "submit")
        made.put(f"bad/tiny{n}.png", picture(8, "PNG"), "refused", "IMAGE_TOO_SMALL", "submit")
        made.put(f"bad/cut{n}.jpg", content[: len(content) // 2], "rejected", "TRUNCATED_IMAGE", "decode_image")
        made.put(f"bad/noise{n}.jpg", scrambled(content, dice))
        made.put(f"named/png{n}.jpg", as_png(content))
        made.put(f"named/picture{n}.txt", content)
    return made


def commented(jpeg: bytes) -> bytes:
    """The same pixels in other bytes: a comment after the first marker."""
    return jpeg[:2] + b"\xff\xfe\x00\x06same" + jpeg[2:]


def picture(side: int, form: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), (200, 120, 40)).save(file, form)
    return file.getvalue()


def as_png(content: bytes) -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(content)).save(file, "PNG")
    return file.getvalue()


def scrambled(content: bytes, dice: random.Random) -> bytes:
    """Wrong bytes in the middle; a decoder may or may not notice."""
    half = len(content) // 2
    return content[:half] + dice.randbytes(200) + content[half + 200 :]


@pytest.mark.skipif(TRAINING is None, reason="no folder shared/training beside the checkout")
@pytest.mark.parametrize("count", [30, pytest.param(200, marks=pytest.mark.slow)])
def test_a_folder_of_photographs_and_trouble_adds_up(guest: Guest, tmp_path: Path, count: int) -> None:
    made = planted(tmp_path / "pictures", count, seed=count)
    [plan] = guest.say("plan", str(made.folder), "--samples", "3", "--json")
    [batch] = guest.say("create", str(made.folder), "--wait", "--json", end=3)
    counts, sent = batch["counts"], batch["sent"]
    names = {str(file.relative_to(made.folder)) for file in made.folder.rglob("*.*") if file.suffix != ".txt"}
    assert plan["lines"] == counts["items"] == len(names) == sum(counts[name] for name in ENDS)
    assert (counts["queued"], counts["running"], counts["failed"]) == (0, 0, 0)
    assert sent["added"] + sent["refused"] == counts["items"]
    assert sum(plan["bad"].values()) == counts["refused"]

    lines = {line["custom_id"]: line for line in guest.say("export", batch["id"])}
    assert lines.keys() == names, "every file is a line, and none is twice or made up"
    assert Counter(line["status"] for line in lines.values()) == {name: counts[name] for name in ENDS if counts[name]}
    assert {name: told(lines[name]) for name in made.ends} == made.ends
    errors_add_up(guest, batch["id"], lines)
    quality(made, lines)
    pixels_are_computed_once(guest, made, lines)


def told(line: dict[str, Any]) -> tuple[str, str, str]:
    return line["status"], line["code"], line["stage"]


def errors_add_up(guest: Guest, batch: str, lines: dict[str, Any]) -> None:
    """Each line that did not succeed is told of once, with file, stage and code; the codes are counted."""
    unwell = {name: told(line) for name, line in lines.items() if line["status"] != "succeeded"}
    [wrong] = guest.say("errors", batch, "--json")
    found, cursor = [], "0"
    with guest.client() as client:
        while cursor:
            where = {"cursor": cursor, "limit": "7"}
            page = client.send("GET", f"/v1/batches/{batch}/errors", params=where).json()
            found, cursor = [*found, *page["items"]], page["next_cursor"]
    assert {line["custom_id"]: told(line) for line in found} == unwell
    assert len(found) == len(unwell)
    assert all(code and stage for _, code, stage in unwell.values())
    by_code = Counter((code, status) for status, code, _ in unwell.values())
    assert {(each["code"], each["status"]): each["n"] for each in wrong["codes"]} == by_code


def quality(made: Planted, lines: dict[str, Any]) -> None:
    """Most cats are scanned, most others are told to be none: a service that answers everything alike does neither."""
    scanned = sum(lines[name]["status"] in ("succeeded", "partial") for name in made.cats)
    turned_away = sum(lines[name]["code"] == "NOT_A_CAT" for name in made.others)
    print(f"{scanned} of {len(made.cats)} cats scanned, {turned_away} of {len(made.others)} others turned away")
    assert scanned > len(made.cats) / 2
    assert turned_away > len(made.others) / 2


def pixels_are_computed_once(guest: Guest, made: Planted, lines: dict[str, Any]) -> None:
    """Of equal bytes no stage was computed twice; of equal pixels only what reads the file, and the report on that."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, first in (made.same_bytes | made.same_pixels).items():
        groups[first].append(name)
    with guest.client() as client:
        for first, others in groups.items():
            scans = {name: client.get(lines[name]["scan_id"]).raw for name in (first, *others)}
            reports = {json.dumps(lines[name]["report"], sort_keys=True) for name in scans}
            assert len({lines[name]["status"] for name in scans}) == len(reports) == 1, first
            computed = Counter(
                stage["name"]
                for scan in scans.values()
                for stage in scan["stages"]
                if not stage["reused"] and stage["state"] not in ("skipped", "cancelled")
            )
            twice = {stage for stage, times in computed.items() if times > 1}
            assert twice <= {"fetch_input", "decode_image", "build_report"}, (first, computed)
            assert max(computed.values()) <= 2, "equal bytes are read once, the other file once"
