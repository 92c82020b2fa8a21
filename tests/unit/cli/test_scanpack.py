"""`scanmill verify` on packs that are whole, broken, robbed, stuffed, stolen, and made to harm."""

from __future__ import annotations

import io
import json
import random
import stat
import struct
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest
from typer.testing import CliRunner, Result

from api.scanpack.archive import Archive
from api.scanpack.layout import KEY, SIGNATURE, SUMS
from api.scanpack.signing import SigningKey, new_key
from cli import scanpack
from cli.main import build

FILES = {
    "results.jsonl": b'{"n":1}\n',
    "results.csv": b"n\r\n1\r\n",
    "errors.jsonl": b"",
    "pipeline.json": b"{}",
    "models/cat_mouth.json": b"{}",
    "pictures/000001-cat.jpg/preview.jpg": bytes(range(256)),
    "pictures/000001-cat.jpg/heatmap_mouth.png": b"\x89PNG",
    "index.html": b"<!doctype html>",
    "batch.json": b"{}",
}
OWNER = SigningKey.read(new_key())


def packed(files: Mapping[str, bytes] = FILES, key: SigningKey | None = OWNER) -> bytes:
    """A pack as the service makes it."""
    with Archive() as archive:
        parts = [
            b"".join(archive.stream(name, [content])) if name.endswith("l") else archive.add(name, content)
            for name, content in files.items()
        ]
        if key is not None:
            parts.append(archive.add(KEY, key.public.pem.encode()))
        with archive.sums() as sums:
            signature = key.sign(sums) if key else b""
        parts += archive.add_sums()
        if key is not None:
            parts.append(archive.add(SIGNATURE, signature))
        return b"".join([*parts, *archive.end()])


def members(pack: bytes) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(pack)) as opened:
        return {info.filename: opened.read(info) for info in opened.infolist()}


def zipped(files: Mapping[str, bytes], method: int = ZIP_STORED) -> bytes:
    """The same files by any other program."""
    sink = io.BytesIO()
    with ZipFile(sink, "w", method) as made:
        for name, content in files.items():
            made.writestr(ZipInfo(name), content, method)
    return sink.getvalue()


def summed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """With a list of digests that fits."""
    text = "".join(f"{sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    return {**files, SUMS: text.encode()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.scanpack.zip"


def say(file: Path, pack: bytes, *words: str) -> Result:
    file.write_bytes(pack)
    return CliRunner().invoke(build("verify"), ["verify", str(file), "--json", *words])


def damaged(file: Path, pack: bytes) -> dict[str, str]:
    done = say(file, pack, "--key", OWNER.public.id)
    assert done.exit_code == 1, done.output
    found: dict[str, str] = json.loads(done.stdout)["damaged"]
    return found


def test_a_whole_pack_of_a_trusted_key_is_good(file: Path, tmp_path: Path) -> None:
    pem = tmp_path / "key.pem"
    pem.write_text(OWNER.public.pem)
    for key in (OWNER.public.id, f"sha256:{OWNER.public.id}", str(pem)):
        done = say(file, packed(), "--key", key)
        told = json.loads(done.stdout)
        assert (done.exit_code, told["files"], told["damaged"], told["trusted"]) == (0, len(FILES) + 1, {}, True)
    several = say(file, packed(), "--key", "0" * 64, "--key", OWNER.public.id)
    assert several.exit_code == 0


def test_unsigned_unknown_and_another_key_have_an_exit_code_of_their_own(file: Path) -> None:
    unsigned = say(file, packed(key=None), "--key", OWNER.public.id)
    assert (unsigned.exit_code, json.loads(unsigned.stdout)["key"]) == (3, None)
    unknown = say(file, packed())
    assert (unknown.exit_code, json.loads(unknown.stdout)["key"]) == (3, OWNER.public.id)
    forged = say(file, packed(key=SigningKey.read(new_key())), "--key", OWNER.public.id)
    assert forged.exit_code == 3 and json.loads(forged.stdout)["trusted"] is False


def test_people_are_told_in_words(file: Path) -> None:
    for pack, word in ((packed(), "none that you named"), (packed(key=None), "not signed")):
        file.write_bytes(pack)
        done = CliRunner().invoke(build("verify"), ["verify", str(file)])
        assert word in done.stderr and done.stdout == ""


def test_a_key_that_is_none_is_used_wrongly(file: Path, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no key")
    for key in ("abc", str(tmp_path / "no.pem"), str(tmp_path / "none.pem")):
        assert say(file, packed(), "--key", key).exit_code == 2


@pytest.mark.parametrize("name", [name for name, content in FILES.items() if content] + [KEY])
def test_one_flipped_byte_names_its_file(file: Path, name: str) -> None:
    pack = bytearray(packed())
    content = members(bytes(pack))[name]
    place = pack.index(name.encode()) + len(name)
    place = pack.index(content, place) + len(content) // 2
    pack[place] ^= 1
    assert name in damaged(file, bytes(pack))


def test_a_flipped_byte_in_list_or_signature_names_it(file: Path) -> None:
    pack = packed()
    for name in (SUMS, SIGNATURE):
        content = members(pack)[name]
        place = pack.index(content)
        broken = pack[:place] + bytes([content[0] ^ 1]) + pack[place + 1 :]
        assert {SIGNATURE, name} & damaged(file, broken).keys()


def test_wherever_a_byte_is_flipped_nothing_false_is_called_good(file: Path) -> None:
    """Every eighth byte of the whole file: either it is named, or what lies in the pack is still what was signed."""
    pack, whole, seed = packed(), members(packed()), random.Random(7)
    for place in range(0, len(pack), 8):
        broken = bytearray(pack)
        broken[place] ^= 1 << seed.randrange(8)
        file.write_bytes(broken)
        verdict = scanpack.verify(file, {OWNER.public.id})
        assert verdict.damaged or (verdict.trusted and members(bytes(broken)) == whole), place


def test_wherever_it_is_cut_off_it_is_no_pack(file: Path) -> None:
    pack = packed()
    for length in (*range(0, len(pack), 61), len(pack) - 1):
        file.write_bytes(pack[:length])
        assert scanpack.verify(file).damaged


def test_missing_added_and_doubled_files_are_named(file: Path) -> None:
    whole = members(packed())
    without = {name: content for name, content in whole.items() if name != "batch.json"}
    assert damaged(file, zipped(without)) == {"batch.json": "it is missing"}
    assert damaged(file, zipped({**whole, "more.txt": b"x"})) == {"more.txt": f"it is not in {SUMS}"}
    assert SUMS in damaged(file, zipped({name: content for name, content in whole.items() if name != SUMS}))
    assert SIGNATURE in damaged(file, zipped({name: content for name, content in whole.items() if name != SIGNATURE}))
    for double in ("batch.json", "BATCH.json"):
        sink = io.BytesIO(zipped(whole))
        with (
            pytest.warns(UserWarning, match="Duplicate") if double in whole else ZipFile(io.BytesIO(zipped({}))),
            ZipFile(sink, "a") as more,
        ):
            more.writestr(double, b"{}")
        assert damaged(file, sink.getvalue()) == {double: "it is in there more than once"}


def test_a_list_with_a_name_twice_or_no_digest_is_named(file: Path) -> None:
    files = summed(FILES)
    for more in (files[SUMS].splitlines(keepends=True)[0], b"no digest\n", b"\xff\n"):
        assert SUMS in damaged(file, zipped({**files, SUMS: files[SUMS] + more}))


def test_signed_content_that_was_exchanged_with_its_list_is_not_called_signed(file: Path) -> None:
    """Whoever changes a file can make the list fit, but not the signature."""
    whole = members(packed())
    forged = summed({**{name: whole[name] for name in (*FILES, KEY)}, "results.jsonl": b"{}\n"})
    assert SIGNATURE in damaged(file, zipped({**forged, SIGNATURE: whole[SIGNATURE]}))


ESCAPES = [
    "../up.txt",
    "/etc/passwd",
    "a/../../b",
    "C:/x",
    "a\\b",
    "~/x",
    "a//b",
    "folder/",
    ".ssh",
    "a/.b",
    "x\x7f",
    "é",
    "a" * 200,
]


@pytest.mark.parametrize("name", ESCAPES)
def test_names_that_lead_elsewhere_are_refused_unread(file: Path, name: str) -> None:
    assert set(damaged(file, zipped(summed({name: b"x"}))).values()) == {"its name is not allowed"}


def test_what_unfolds_is_refused_unread(file: Path) -> None:
    bomb = zipped(summed({"bomb.html": bytes(50_000_000)}), ZIP_DEFLATED)
    assert len(bomb) < 100_000
    assert damaged(file, bomb)["bomb.html"] == "it is compressed, which nothing in a scanpack is"


def test_links_locks_and_whispers_are_refused(file: Path) -> None:
    link = ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    noted, extra = ZipInfo("noted"), ZipInfo("extra")
    noted.comment, extra.extra = b"hidden", struct.pack("<HH", 0x9999, 60) + bytes(60)
    for info in (link, noted, extra):
        sink = io.BytesIO()
        with ZipFile(sink, "w") as made:
            made.writestr(info, b"/etc/passwd")
        assert info.filename in damaged(file, sink.getvalue())
    locked = bytearray(zipped(summed({"a.txt": b"x"})))
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    assert "a.txt" in damaged(file, bytes(locked))


def before(pack: bytes) -> bytes:
    return b"#!/bin/sh\n" + pack


def behind(pack: bytes) -> bytes:
    return pack + b"more"


def remarked(pack: bytes) -> bytes:
    sink = io.BytesIO(pack)
    with ZipFile(sink, "a") as opened:
        opened.comment = b"remark"
    return sink.getvalue()


def between(pack: bytes) -> bytes:
    """Bytes before the table, and a table that says so."""
    table, end = pack.index(b"PK\x01\x02"), len(pack) - 22
    offset = struct.unpack("<L", pack[end + 16 : end + 20])[0]
    return pack[:table] + b"x" * 50 + pack[table : end + 16] + struct.pack("<L", offset + 50) + pack[end + 20 :]


def on_each_other(pack: bytes) -> bytes:
    """Two entries of the table with one place."""
    second = pack.index(b"PK\x01\x02", pack.index(b"PK\x01\x02") + 4)
    return pack[: second + 42] + bytes(4) + pack[second + 46 :]


@pytest.mark.parametrize("harm", [before, behind, remarked, between, on_each_other])
def test_bytes_where_nobody_looks_are_found(file: Path, harm: Callable[[bytes], bytes]) -> None:
    assert damaged(file, harm(packed()))


@pytest.mark.parametrize("text", [b"", b"PK\x05\x06" + bytes(18), b"PK\x03\x04", b"no zip", bytes(100_000)])
def test_what_is_no_zip_is_said_to_be_none(file: Path, text: bytes) -> None:
    assert damaged(file, text)


def test_a_good_pack_comes_out_as_it_went_in(file: Path, tmp_path: Path) -> None:
    file.write_bytes(packed())
    scanpack.extract(file, tmp_path / "out")
    for name, content in FILES.items():
        assert (tmp_path / "out" / name).read_bytes() == content


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    made = CliRunner().invoke(build("keys"), ["keys", "signing", str(path)])
    assert made.stdout.strip() == SigningKey.read(str(path)).public.id
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert CliRunner().invoke(build("keys"), ["keys", "signing", str(path)]).exit_code == 2
