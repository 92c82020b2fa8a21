"""Folders that a client may name: below an open root, by its words and by where it really leads."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import PathNotAllowed
from storage.roots import check_words, resolved
from tasks.settings import TrainingSettings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "open" / "cats").mkdir(parents=True)
    (tmp_path / "closed").mkdir()
    return tmp_path / "open"


def test_a_folder_below_a_root_and_the_root_itself_are_open(root: Path) -> None:
    assert resolved([root], str(root / "cats")) == root / "cats"
    assert resolved([Path("/elsewhere"), root], str(root)) == root
    check_words([root], str(root / "not" / "there"))


@pytest.mark.parametrize(
    "words", ["", "cats", "~/cats", "/", "{root}/../closed", "{root}/./cats", "{root}//cats", "{root}/cats/",
              "{root}s", "{root}/a\\b", "{root}/a\nb", "{root}/a\u202eb", "{root}/" + "x" * 2000, "{root}/\x00"],
)  # fmt: skip
def test_other_words_are_refused(root: Path, words: str) -> None:
    for act in (check_words, resolved):
        with pytest.raises(PathNotAllowed):
            act([root], words.format(root=root))
    with pytest.raises(PathNotAllowed):
        check_words([], str(root))


def test_a_link_may_not_lead_out_of_the_roots(root: Path) -> None:
    (root / "out").symlink_to(root.parent / "closed")
    (root / "deep").mkdir()
    (root / "deep" / "out").symlink_to("/")
    (root / "loop").symlink_to(root / "loop")
    for words in ("out", "deep/out/etc", "loop", "nowhere"):
        check_words([root], f"{root}/{words}")
        with pytest.raises(PathNotAllowed):
            resolved([root], f"{root}/{words}")
    (root / "in").symlink_to(root / "cats")
    assert resolved([root], f"{root}/in") == root / "cats"
    door = root.parent / "door"
    door.symlink_to(root)
    assert resolved([door], f"{door}/cats") == root / "cats", "a root may be a link itself"


@pytest.mark.parametrize("wrong", ['["data"]', '["/"]', '["/data/../x"]', '"/data"'])
def test_a_root_is_a_plain_absolute_folder(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("SCANMILL_TRAINING_ROOTS", wrong)
    with pytest.raises(ValueError, match=r"root|valid list"):
        TrainingSettings()
