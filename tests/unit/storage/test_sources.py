"""What a batch may list on the server: nothing outside of a root or of the tenant, and each trouble by its name."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.errors import FileTooLarge, InputMissing, PathNotAllowed, SourceMissing
from storage import Storage, open_storage
from storage.keys import line_name, object_key
from storage.names import wanted
from storage.settings import StorageSettings
from storage.sources import Folder, Prefix, Source

TENANT, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "open"
    (folder / "cats").mkdir(parents=True)
    (folder / "cats" / "one.jpg").write_bytes(b"one")
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "secret.jpg").write_bytes(b"secret")
    return folder


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    settings = StorageSettings(storage_url=f"file://{tmp_path}/storage", storage_signing_key=SecretStr("k" * 32))
    return open_storage(settings)


def paths(source: Source, after: str = "") -> list[str]:
    return [path for path, _ in source.walk(after)]


def test_a_folder_is_walked_and_read(root: Path) -> None:
    source = Folder([root], f"{root}/cats")
    assert paths(source) == ["one.jpg"]
    assert source.read("one.jpg", 3) == b"one"
    with pytest.raises(FileTooLarge):
        source.read("one.jpg", 2)
    assert Folder([root], str(root)).read("cats/one.jpg", 3) == b"one"


@pytest.mark.parametrize("named", ["{root}/../closed", "{closed}", "/etc", "cats", "{root}/out", "{root}x", ""])
def test_a_folder_outside_is_not_allowed(root: Path, named: str) -> None:
    (root / "out").symlink_to(root.parent / "closed")
    with pytest.raises(PathNotAllowed):
        Folder([root], named.format(root=root, closed=root.parent / "closed"))
    with pytest.raises(PathNotAllowed):
        Folder([], f"{root}/cats")


def test_no_link_is_read_whenever_it_came(root: Path) -> None:
    source = Folder([root], f"{root}/cats")
    assert paths(source) == ["one.jpg"]
    (root / "cats" / "one.jpg").unlink()
    (root / "cats" / "one.jpg").symlink_to(root.parent / "closed" / "secret.jpg")
    with pytest.raises(PathNotAllowed):
        source.read("one.jpg", 100)
    shutil.rmtree(root / "cats")
    (root / "cats").symlink_to(root.parent / "closed")
    for act in (lambda: paths(source), lambda: source.read("secret.jpg", 100)):
        with pytest.raises(SourceMissing):
            act()


def test_a_missing_file_is_the_files_fault_and_a_missing_folder_the_sources(root: Path) -> None:
    source = Folder([root], f"{root}/cats")
    with pytest.raises(InputMissing):
        source.read("two.jpg", 100)
    os.mkfifo(root / "cats" / "pipe.jpg")
    with pytest.raises(InputMissing):
        source.read("pipe.jpg", 100)
    for path in ("../../closed/secret.jpg", "/etc/passwd", "a\\b.jpg", "a\nb.jpg"):
        with pytest.raises(PathNotAllowed):
            source.read(path, 100)
    shutil.rmtree(root / "cats")
    with pytest.raises(SourceMissing):
        source.read("two.jpg", 100)
    with pytest.raises(SourceMissing):
        paths(source)
    with pytest.raises(SourceMissing):
        Folder([root], f"{root}/cats")


def test_a_prefix_is_a_folder_of_ones_own_objects(storage: Storage) -> None:
    for tenant, path in ((TENANT, "may/a.jpg"), (TENANT, "may/b/c.jpg"), (TENANT, "mayor.jpg"), (OTHER, "may/x.jpg")):
        storage.put(object_key(tenant, path), path.encode(), "image/jpeg")
    source = Prefix(storage, TENANT, "may")
    assert paths(source) == ["a.jpg", "b/c.jpg"]
    assert paths(source, "a.jpg") == ["b/c.jpg"]
    assert source.read("b/c.jpg", 100) == b"may/b/c.jpg"
    assert paths(Prefix(storage, TENANT, "")) == ["may/a.jpg", "may/b/c.jpg", "mayor.jpg"]
    for path in (f"../../{OTHER}/o/may/x.jpg", "../mayor.jpg"):
        with pytest.raises(PathNotAllowed):
            source.read(path, 100)
    for prefix in ("..", f"../../{OTHER}/o", "/", "a//b", "~"):
        with pytest.raises(PathNotAllowed):
            Prefix(storage, TENANT, prefix)
    with pytest.raises(SourceMissing):
        paths(Prefix(storage, TENANT, "june"))
    assert paths(source, "b/c.jpg") == [], "an end is no missing source"


def test_names_of_lines_are_plain_and_stay_different() -> None:
    assert line_name("a b/ü.jpg") == "a b/ü.jpg"
    odd = ["a\\b", "a\nb", "a\x00b", "a\udcffb", "a\u202eb", "a\\00000ab", "a/b", "x" * 1025, "y" + "x" * 1025]
    names = [line_name(path) for path in odd]
    assert len(set(names)) == len(odd)
    assert all(len(name.encode()) <= 1024 and name.isprintable() for name in names)


def test_globs_go_through_slashes_and_suffixes_are_for_pictures() -> None:
    assert wanted("a/b.JPG", [])
    assert not wanted("a/b.txt", [])
    assert wanted("a/b.txt", ["x*", "a*"])
    assert not wanted("a/b.jpg", ["A*"])
