"""The pictures of eyes are looked over before anything is learned from them."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import (
    ScanmillError,
    TrainingClassMissing,
    TrainingDataMissing,
    TrainingDuplicates,
    TrainingLabelsInvalid,
    TrainingPictureUnreadable,
    TrainingTooFewPictures,
)
from tests.made_up_eyes import drawn, write_eyes, write_table
from training.data import part_of
from training.eye_changes import CHANGES, blurred, changed, cropped, flipped, lit, moved, rotated
from training.eye_data import FILE, examined
from training.eyes import CATARACT, eyes
from training.place import Place

row = pytest.mark.row


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_eyes(tmp_path_factory.mktemp("eyes"))


@pytest.fixture
def data(good: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    shutil.copytree(good, tmp_path / "data")
    (tmp_path / "out").mkdir()
    return tmp_path / "data"


def look(data: Path) -> dict[str, object]:
    return examined(Place(data, data.parent / "out"))


def table(data: Path) -> list[dict[str, str]]:
    with (data / CATARACT / "labels.csv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def of_part(data: Path, part: str) -> list[dict[str, str]]:
    return [one for one in table(data) if part_of(f"{CATARACT}/{one['group']}") == part]


def test_good_data_are_told_beside_the_run(data: Path) -> None:
    told = look(data)
    assert json.loads((data.parent / "out" / FILE).read_text()) == told
    parts = told["parts"]
    assert isinstance(parts, dict)
    for part in ("train", "validation", "test"):
        inside = of_part(data, part)
        milky = sum(one["label"] == "Cataract" for one in inside)
        assert parts[part] == {"pictures": len(inside), "groups": len(inside) // 2, "normal": len(inside) - milky,
                               "cataract": milky}  # fmt: skip
    assert sum(one["pictures"] for one in parts.values()) == 120


def spoil(data: Path, how: str) -> None:
    folder, rows = data / CATARACT, table(data)
    train, test = of_part(data, "train"), of_part(data, "test")
    if how == "another set":
        folder.rename(data / "another")
    elif how == "no picture":
        (folder / "train" / train[3]["file"]).unlink()
    elif how == "half a picture":
        (folder / "train" / train[3]["file"]).write_bytes(b"\x89PNG\r\n\x1a\nno more")
    elif how == "on two sides":
        shutil.copyfile(folder / "train" / train[0]["file"], folder / "train" / test[0]["file"])
    elif how == "two labels":
        other = next(one for one in train if one["label"] != train[0]["label"])
        shutil.copyfile(folder / "train" / train[0]["file"], folder / "train" / other["file"])
    elif how == "no label":
        write_table(folder, [one | {"label": ""} if one["file"] == train[0]["file"] else one for one in rows])
    elif how == "one class":
        write_table(folder, [one for one in rows if one["label"] == "Normal"])
    elif how == "no test":
        write_table(folder, [one for one in rows if one not in test])


@row("S3.9")
@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("another set", TrainingDataMissing),
        ("no picture", TrainingPictureUnreadable),
        ("half a picture", TrainingPictureUnreadable),
        ("on two sides", TrainingDuplicates),
        ("two labels", TrainingDuplicates),
        ("no label", TrainingLabelsInvalid),
        ("one class", TrainingClassMissing),
        ("no test", TrainingTooFewPictures),
    ],
)
def test_bad_data_are_refused_by_code(data: Path, how: str, error: type[ScanmillError]) -> None:
    spoil(data, how)
    with pytest.raises(error):
        look(data)
    assert not (data.parent / "out" / FILE).exists()


def test_what_is_lopsided_is_told(data: Path) -> None:
    milky = [one for one in of_part(data, "train") if one["label"] == "Cataract"]
    dropped = {one["file"] for one in milky[6:]}
    rows = [one | {"group": milky[0]["group"]} if one in milky else one for one in table(data)]
    write_table(data / CATARACT, [one for one in rows if one["file"] not in dropped])
    warnings = look(data)["warnings"]
    assert isinstance(warnings, list)
    assert any(one.startswith("train: only 6 of") for one in warnings), warnings


def test_a_folder_of_ones_own_will_do(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for label in ("normal", "cataract"):
        for number in range(40):
            folder = tmp_path / "data" / label / f"person{number // 2}{label}"
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{number}.png"), drawn(rng, label == "cataract"))
    (tmp_path / "out").mkdir()
    told = look(tmp_path / "data")
    parts = told["parts"]
    assert isinstance(parts, dict) and sum(one["cataract"] for one in parts.values()) == 40
    found = eyes(tmp_path / "data", "train")
    assert len(found.images) == parts["train"]["pictures"] and found.cataract.sum() == parts["train"]["cataract"]


@row("S3.11")
def test_the_changes_stand_in_one_list() -> None:
    asked = {"rotation", "gaussian blur", "motion blur", "brightness and contrast", "horizontal flip"}
    assert asked < {one.name for one in CHANGES}
    assert all(0 < one.share <= 1 for one in CHANGES)


@row("S3.11")
def test_each_change_does_what_it_says() -> None:
    image = drawn(np.random.default_rng(0), milky=False)
    rng = np.random.default_rng(3)
    assert np.array_equal(flipped(rng, flipped(rng, image)), image) and not np.array_equal(flipped(rng, image), image)
    sharp = cv2.Laplacian(image, cv2.CV_64F).var()
    assert cv2.Laplacian(blurred(rng, image), cv2.CV_64F).var() < sharp / 2
    assert cv2.Laplacian(moved(rng, image), cv2.CV_64F).var() < sharp
    dot = np.zeros((31, 31, 3), np.uint8)
    dot[15, 15] = 255
    smear = np.argwhere(moved(rng, dot)[:, :, 0] > 0)
    assert len(smear) > 2 and np.linalg.matrix_rank(smear - smear.mean(axis=0), tol=2.5) == 1, "along a line"
    means = [float(lit(rng, image).mean()) for _ in range(20)]
    assert min(means) < image.mean() - 10 and max(means) > image.mean() + 10
    assert cropped(rng, image).size < image.size and rotated(rng, image).shape == image.shape
    pupil = rotated(rng, image)[30:42, 42:54]
    assert pupil.mean() < 60, "it turns about the middle"


def test_a_view_is_seeded() -> None:
    image = drawn(np.random.default_rng(0), milky=True)
    one, again = (changed(np.random.default_rng(8), image, 40) for _ in range(2))
    assert np.array_equal(one, again) and one.shape == (40, 40, 3)
    assert not np.array_equal(one, changed(np.random.default_rng(9), image, 40))
