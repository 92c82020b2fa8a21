"""Everything below a folder in one fixed order, from any place in it, with no link followed and little held at once."""

from __future__ import annotations

import os
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest

from storage.walk import DEEPEST, NAMES, Kind, walk

TREE = ("a-b/x.jpg", "a.jpg", "a/b/c.jpg", "a/b.jpg", "b.jpg", "z/1", "z/2", "z/ü.jpg", "ümlaut.jpg")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name in TREE:
        path = tmp_path / "top" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "top" / "empty").mkdir()
    return tmp_path / "top"


def test_a_walk_from_any_place_gives_the_rest(top: Path) -> None:
    whole = list(walk(top.parent, "top"))
    assert {path for path, _ in whole} == set(TREE)
    assert {kind for _, kind in whole} == {Kind.FILE}
    for n, (path, _) in enumerate(whole):
        assert list(walk(top, "", path)) == whole[n + 1 :], path


def test_what_was_removed_or_came_meanwhile_moves_nothing_else(top: Path) -> None:
    whole = [path for path, _ in walk(top, "")]
    place = whole.index("a/b.jpg")
    (top / "a" / "b.jpg").unlink()
    (top / "a" / "b.png").write_bytes(b"new")
    assert [path for path, _ in walk(top, "", "a/b.jpg")] == ["a/b.png", *whole[place + 1 :]]
    going = walk(top, "")
    assert next(going)[0] == whole[0]
    for path in (top / "z").iterdir():
        path.unlink()
    (top / "z").rmdir()
    assert [path for path, _ in going] == ["a/b.png", "a-b/x.jpg", "a.jpg", "b.jpg", "ümlaut.jpg"]


def test_links_pipes_and_folders_behind_links_are_named_and_not_entered(top: Path) -> None:
    (top.parent / "secret.jpg").write_bytes(b"secret")
    (top / "link.jpg").symlink_to(top.parent / "secret.jpg")
    (top / "up").symlink_to(top.parent)
    os.mkfifo(top / "pipe")
    odd = {path: kind for path, kind in walk(top, "") if kind is not Kind.FILE}
    assert odd == {"link.jpg": Kind.OTHER, "up": Kind.OTHER, "pipe": Kind.OTHER}
    (top.parent / "door").symlink_to(top)
    with pytest.raises(OSError, match=r"door|Not a directory"):
        list(walk(top.parent, "door"))
    with pytest.raises(FileNotFoundError):
        list(walk(top, "nowhere"))


def test_a_folder_that_is_too_deep_is_named_once(top: Path) -> None:
    deep = top / "z" / "/".join("d" * DEEPEST)
    deep.mkdir(parents=True)
    (deep / "x.jpg").write_bytes(b"x")
    closed = [path for path, kind in walk(top, "") if kind is Kind.CLOSED]
    assert closed == ["z/" + "d/" * (DEEPEST - 1)]
    assert [path for path, _ in walk(top, "", closed[0])] == ["z/ü.jpg", "ümlaut.jpg"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every folder")
def test_a_folder_that_may_not_be_entered_is_named(top: Path) -> None:
    (top / "a").chmod(0)
    try:
        assert ("a/", Kind.CLOSED) in list(walk(top, ""))
    finally:
        (top / "a").chmod(0o700)


def test_many_names_in_one_folder_come_in_order_and_are_not_held(tmp_path: Path) -> None:
    many = 3 * NAMES + 1
    for n in range(many):
        (tmp_path / f"{n * 7919 % many:06}.jpg").touch()
    tracemalloc.start()
    found, last = 0, ""
    for path, _ in walk(tmp_path, ""):
        assert path > last
        found, last = found + 1, path
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == many
    assert held < NAMES * 400, "about one window of names, whatever the folder holds"


def test_the_order_within_a_folder_is_that_of_its_names(top: Path) -> None:
    firsts = [path.partition("/")[0] for path, _ in walk(top, "")]
    assert all(first <= second for first, second in pairwise(firsts))
