"""A copy for another machine: the test part stays, labels and coordinates hold, masks keep their bytes."""

import csv
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from training import data, slim

ROOT = Path(__file__).parents[3]


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """Twenty large smooth pictures in every set, people with masks beside them."""
    y, x = np.mgrid[0:300, 0:400].astype(np.float32)
    for dataset in slim.FORMS:
        folder = tmp_path / "data" / dataset / "train"
        folder.mkdir(parents=True)
        mask = dataset == "animal_masks_pseudo"
        names = [f"{10 * number:04}.{'png' if mask else 'jpg'}" for number in range(20)]
        for number, name in enumerate(names):
            picture = np.stack([np.sin(x / (9 + number)), np.cos(y / 9), np.sin((x + y) / 30)], axis=2) * 100 + 128
            cv2.imwrite(str(folder / name), picture[..., 0] if mask else picture, [cv2.IMWRITE_JPEG_QUALITY, 98])
            if dataset == "people_ccp":
                cv2.imwrite(str(folder / f"{Path(name).stem}_mask.png"), (x > 100).astype(np.uint8))
        with (folder.parent / "labels.csv").open("w", newline="", encoding="utf-8") as lines:
            writer = csv.DictWriter(lines, ["file", "split", "orig_name"])
            writer.writeheader()
            writer.writerows({"file": name, "split": "train", "orig_name": name} for name in names)
    return tmp_path / "data"


def test_the_copy_is_small_and_without_the_test_part(sets: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    command = [sys.executable, "-m", "training.slim", "--data", str(sets), "--to", str(small)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    for dataset, (side, _) in slim.FORMS.items():
        kept, whole = list(data.pictures(small, dataset)), list(data.pictures(sets, dataset))
        assert [item.row for item in kept] == [item.row for item in whole if item.part != "test"], dataset
        for item in kept:
            assert min(item.pixels().shape[:2]) == (side or 300)
            assert item.path.stat().st_size <= (sets / item.path.relative_to(small)).stat().st_size
    bytes_of = [sum(file.stat().st_size for file in folder.rglob("*.jpg")) for folder in (small, sets)]
    assert bytes_of[0] < 0.3 * bytes_of[1]


def test_masks_and_coordinates_still_fit(sets: Path, tmp_path: Path) -> None:
    person = next(item for item in data.pictures(sets, "people_ccp") if item.part == "train")
    slim.copy(person, sets, tmp_path / "small", *slim.FORMS["people_ccp"])
    copied = tmp_path / "small" / person.path.relative_to(sets)
    mask = copied.with_name(f"{copied.stem}_mask.png")
    assert mask.read_bytes() == person.path.with_name(mask.name).read_bytes()
    apart = np.abs(data.read_rgb(copied).astype(int) - person.pixels())
    assert apart.mean() < 8 and data.read_rgb(copied).shape == person.pixels().shape
