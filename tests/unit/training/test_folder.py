"""A user's folder: what is read, how it is split, and what is refused with which code."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import (
    RequestError,
    TrainingClassMissing,
    TrainingDataMissing,
    TrainingDuplicates,
    TrainingLabelsInvalid,
    TrainingPictureUnreadable,
    TrainingTooFewPictures,
)
from tests import made_up_cats
from tests.unit.training import own_folders
from tests.unit.training.own_folders import boxes, classes, masks, picture, table, write
from training import data, folder

PAIR = ("cat", "not_cat")


def in_folders(root: Path, each: int = 40) -> Path:
    for number in range(2 * each):
        write(root / PAIR[number % 2] / f"{number}.png", picture(number, 16))
    return root


def test_the_outermost_folder_is_the_label(tmp_path: Path) -> None:
    found = folder.labelled(in_folders(tmp_path), PAIR)
    assert len(found) == 80
    assert all(item.row["label"] == item.path.parent.name for item in found)
    assert {item.part for item in found} == {"train", "validation", "test"}
    assert [item.part for item in found] == [data.part_of(f"own/{item.group}") for item in found]


def test_a_folder_in_a_label_is_a_group_on_one_side(tmp_path: Path) -> None:
    in_folders(tmp_path)
    for number in range(12):
        for label in PAIR:
            write(tmp_path / label / "tom" / f"{number}.png", picture(500 + number + 100 * len(label), 16))
    own = [item for item in folder.labelled(tmp_path, PAIR) if item.path.parent.name == "tom"]
    assert len(own) == 24 and {item.group for item in own} == {"tom"} and len({item.part for item in own}) == 1


def test_a_table_may_give_group_and_split(tmp_path: Path) -> None:
    found = folder.labelled(classes(tmp_path, PAIR), PAIR)
    assert all(item.part == item.row["split"] for item in found)


def test_further_labels_count_for_the_last_class(tmp_path: Path) -> None:
    found = folder.labelled(classes(tmp_path, ("cat", "dog")), PAIR, ("dog", "person"))
    assert {item.row["label"] for item in found} == {"cat", "dog"}


def test_boxes_are_there_or_not(tmp_path: Path) -> None:
    found = folder.boxed(boxes(tmp_path))
    assert sum(item.row["x0"] == "20" for item in found) == sum(not item.row["x0"] for item in found) == 12


def test_masks_go_by_name(tmp_path: Path) -> None:
    for item, mask in folder.masked(masks(tmp_path)):
        assert item.path.stem == mask.stem and data.read_mask(mask).shape == item.pixels().shape[:2]


def test_our_sets_are_not_taken_for_a_user_s(tmp_path: Path) -> None:
    assert not folder.own(made_up_cats.write_sets(tmp_path / "sets"))
    assert folder.own(in_folders(tmp_path / "own"))
    assert folder.own(own_folders.areas(tmp_path / "areas"))


def first(root: Path, **change: str) -> None:
    """Change the first row."""
    with (root / "labels.csv").open(encoding="utf-8") as lines:
        rows: list[dict[str, object]] = [dict(row) for row in csv.DictReader(lines)]
    table(root, [rows[0] | change, *rows[1:]])


BAD: dict[str, tuple[Callable[[Path], object], type[RequestError], str]] = {
    "no class": (lambda root: shutil.rmtree(root / "cat"), TrainingClassMissing, "^cat$"),
    "few": (lambda root: [path.unlink() for path in sorted((root / "cat").iterdir())[8:]], TrainingTooFewPictures, "8 of 10"),
    "no picture": (lambda root: (root / "cat" / "0.png").write_bytes(b"no"), TrainingPictureUnreadable, "^cat/0.png$"),
    "stray label": (lambda root: write(root / "lion" / "0.png", picture(1)), TrainingLabelsInvalid, "'lion' is none of"),
    "two labels": (lambda root: shutil.copy(root / "cat/0.png", root / "not_cat/x.png"), TrainingDuplicates, "cat/0.png"),
}  # fmt: skip


@pytest.mark.row("S3.9")
@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_with_folders_is_said(tmp_path: Path, case: str) -> None:
    spoil, error, words = BAD[case]
    spoil(in_folders(tmp_path))
    with pytest.raises(error, match=words):
        folder.labelled(tmp_path, PAIR)


TABLES: dict[str, tuple[Callable[[Path], object], type[RequestError], str]] = {
    "no column": (lambda root: table(root, [{"file": "x.png"}]), TrainingLabelsInvalid, "no column label"),
    "no UTF-8": (lambda root: (root / "labels.csv").write_bytes(b"file,label\n\xff"), TrainingLabelsInvalid, "UTF-8"),
    "no file": (lambda root: (root / "cat_0.png").unlink(), TrainingPictureUnreadable, "cat_0.png"),
    "split": (lambda root: first(root, split="dev"), TrainingLabelsInvalid, "'dev' is none of train"),
    "outside": (lambda root: first(root, file="../x.png"), TrainingLabelsInvalid, "outside"),
    "both sides": (lambda root: shutil.copy(root / "cat_0.png", root / "cat_3.png"), TrainingDuplicates, "cat_3.png"),
    "no part": (lambda root: table(root, [{"file": f"cat_{n}.png", "label": "cat", "split": "train"} for n in range(12)]),
                TrainingTooFewPictures, "none for validation"),
}  # fmt: skip


@pytest.mark.row("S3.9")
@pytest.mark.parametrize("case", TABLES)
def test_what_is_wrong_with_a_table_is_said(tmp_path: Path, case: str) -> None:
    spoil, error, words = TABLES[case]
    spoil(classes(tmp_path, PAIR))
    with pytest.raises(error, match=words):
        folder.labelled(tmp_path, PAIR)


def test_a_group_on_two_sides_is_refused(tmp_path: Path) -> None:
    root = classes(tmp_path, PAIR)
    rows: list[dict[str, object]] = [dict(item.row) | {"group": "tom"} for item in folder.labelled(root, PAIR)]
    with pytest.raises(TrainingDuplicates):
        folder.labelled(table(root, rows) / ".", PAIR, ("x",))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x0": "a", "y0": "1", "x1": "2", "y1": "3"}, "four numbers"),
        ({"file": "1.png"}, "several"),
        ({"x0": "2", "y0": "0", "x1": "1", "y1": "9"}, "must hold"),
    ],
)
def test_a_wrong_box_is_refused(tmp_path: Path, change: dict[str, str], words: str) -> None:
    first(boxes(tmp_path), **change)
    with pytest.raises(TrainingLabelsInvalid, match=words):
        folder.boxed(tmp_path)


def test_a_mask_that_is_missing_or_of_another_size_is_refused(tmp_path: Path) -> None:
    write(masks(tmp_path) / "masks" / "0.png", picture(0, 20))
    with pytest.raises(TrainingLabelsInvalid, match="as large"):
        folder.masked(tmp_path)
    (tmp_path / "masks" / "0.png").write_bytes(b"no")
    with pytest.raises(TrainingPictureUnreadable, match=r"masks/0\.png"):
        folder.masked(tmp_path)
    (tmp_path / "masks" / "0.png").unlink()
    with pytest.raises(TrainingDataMissing, match=r"0\.png"):
        folder.masked(tmp_path)
