"""What lies in folders, archives and manifests, and what is not read from them."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from cli.batches.sources import Line, SourceError, lines


def read(line: Line) -> bytes:
    assert line.read is not None
    return line.read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "pictures"
    for name in ("b.jpg", "a.PNG", "notes.txt", "deep/er/c.webp", "deep/d.jpg"):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return top


def test_a_folder_gives_its_pictures_in_order_below_and_above(folder: Path) -> None:
    found = list(lines(folder))
    assert [line.custom_id for line in found] == ["a.PNG", "b.jpg", "deep/d.jpg", "deep/er/c.webp"]
    assert read(found[3]) == b"deep/er/c.webp"


def test_globs_choose_by_the_path_below(folder: Path) -> None:
    assert [line.custom_id for line in lines(folder, ["deep/*"])] == ["deep/d.jpg", "deep/er/c.webp"]
    assert [line.custom_id for line in lines(folder, ["*.txt", "a*"])] == ["a.PNG", "notes.txt"]


def test_links_out_of_a_folder_are_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.jpg").write_bytes(b"x")
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    assert "link.jpg" not in {line.custom_id for line in lines(folder)}
    assert not [line for line in lines(folder) if line.custom_id.startswith("linked")]


def test_a_manifest_names_files_addresses_and_keys(tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(b"one")
    manifest = tmp_path / "list.jsonl"
    manifest.write_text(
        "\n".join(
            json.dumps(each)
            for each in (
                {"file": "one.jpg", "fields": {"owner": 7}},
                {"custom_id": "two", "image_url": "https://example.org/2.jpg", "options": {"remove_bg": False}},
                {"custom_id": "three", "object_key": "in/3.jpg"},
            )
        )
        + "\n\n"
    )
    first, second, third = lines(manifest)
    assert (first.custom_id, read(first), first.fields) == ("one.jpg", b"one", {"owner": 7})
    assert (second.read, second.reference, second.options) == (
        None,
        {"image_url": "https://example.org/2.jpg"},
        {"remove_bg": False},
    )
    assert third.reference == {"object_key": "in/3.jpg"}


def test_a_manifest_names_no_file_outside_its_folder_and_nothing_but_files_is_read(tmp_path: Path) -> None:
    manifest = tmp_path / "in" / "list.jsonl"
    manifest.parent.mkdir()
    for name in ("../secret.jpg", "/etc/hostname", "a\x00b"):
        manifest.write_text(json.dumps({"file": name}))
        with pytest.raises(SourceError, match="line 1"):
            list(lines(manifest))
    manifest.write_bytes(b'{"file": "\xff.jpg"}')
    with pytest.raises(SourceError, match="line 1"):
        list(lines(manifest))
    os.mkfifo(tmp_path / "in" / "pipe.jpg")
    [pipe] = lines(tmp_path / "in", ["*.jpg"])
    with pytest.raises(SourceError, match="regular"):
        read(pipe)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"image_url": "https://a"}', '{"file": "a", "object_key": "b"}'])
def test_a_bad_line_of_a_manifest_is_named_by_its_number(tmp_path: Path, text: str) -> None:
    manifest = tmp_path / "list.jsonl"
    manifest.write_text(f'{{"file": "fine.jpg"}}\n{text}\n')
    with pytest.raises(SourceError, match="line 2"):
        list(lines(manifest))


def test_an_archive_is_read_member_by_member(tmp_path: Path) -> None:
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("in/a.jpg", b"a")
        opened.writestr("readme.txt", b"text")
        opened.writestr("../b.jpg", b"b")
    assert {line.custom_id: read(line) for line in lines(archive)} == {"in/a.jpg": b"a", "../b.jpg": b"b"}


def test_a_member_that_is_larger_than_any_picture_is_not_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.batches.sources.LARGEST", 1_000)
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("bomb.jpg", bytes(1_000_000))
    [line] = lines(archive)
    with pytest.raises(SourceError, match="larger"):
        read(line)


def test_a_damaged_member_is_said_to_be_damaged(tmp_path: Path) -> None:
    archive = tmp_path / "damaged.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a.jpg", bytes(range(256)) * 50)
    content = bytearray(archive.read_bytes())
    content[40:60] = bytes(20)
    archive.write_bytes(content)
    [line] = lines(archive)
    with pytest.raises(SourceError, match=r"a\.jpg"):
        read(line)


@pytest.mark.parametrize("name", ["torn.zip", "list.csv"])
def test_what_is_no_source_is_said_to_be_none(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(SourceError, match=name):
        list(lines(tmp_path / name))
