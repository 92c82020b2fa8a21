"""A user's normal pictures and test: layouts, masks, refusals; and the whole recipe on them, twice."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from cli.main import app
from pipeline.errors import (
    TrainingClassMissing,
    TrainingDataMissing,
    TrainingDuplicates,
    TrainingPictureUnreadable,
    TrainingTooFewPictures,
)
from pipeline.models.manifest import read_manifest
from tests.unit.training.own_folders import picture, write
from tests.unit.training.test_patchcore import passed_through
from training import normals
from training.budget import Budget
from training.data import read_rgb
from training.place import Place
from training.recipes import patchcore

SIDE = 8


def grey(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(100, 140, (SIDE, SIDE, 3)).astype(np.uint8)


def dotted(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture with a bright square, and where it is."""
    pixels, mask = grey(number), np.zeros((SIDE, SIDE), np.uint8)
    mask[2:5, 3:6] = 255
    pixels[mask > 0] = 250
    return pixels, mask


def mvtec(folder: Path) -> Path:
    for number in range(20):
        write(folder / f"train/good/{number:02}.png", grey(number))
    for number in range(20, 26):
        write(folder / f"test/good/{number}.png", grey(number))
    for number in range(26, 32):
        pixels, mask = dotted(number)
        write(folder / f"test/dot/{number}.png", pixels)
        write(folder / f"ground_truth/dot/{number}_mask.png", mask)
    return folder


def test_a_set_is_read_whole(tmp_path: Path) -> None:
    found = normals.normals(mvtec(tmp_path))
    assert (len(found.remembered), len(found.held), len(found.test)) == (16, 4, 12)
    masks = {item.row["label"]: bool(item.row["mask"]) for item in found.test}
    assert masks == {"good": False, "dot": True}


def test_any_folder_of_pictures_is_remembered_and_a_test_may_lie_elsewhere(tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path / f"mine/{number % 2}/{number}.png", grey(number))
    test = mvtec(tmp_path / "other") / "test"
    found = normals.normals(tmp_path / "mine", test)
    assert (len(found.remembered), len(found.held), len(found.test)) == (5, 1, 12)
    assert not normals.normals(tmp_path / "mine").test


def spoil(folder: Path, what: str) -> None:
    if what == "few":
        for path in sorted((folder / "train/good").iterdir())[4:]:
            path.unlink()
    elif what == "good":
        (folder / "test/good").rename(folder / "test/dot/good")
    elif what == "defect":
        (folder / "test/dot").rename(folder / "elsewhere")
    elif what == "mask":
        (folder / "ground_truth/dot/27_mask.png").unlink()
    elif what == "same":
        write(folder / "test/good/again.png", grey(3))
    else:
        (folder / "train/good/03.png").write_text("no picture")


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("few", TrainingTooFewPictures),
        ("good", TrainingClassMissing),
        ("defect", TrainingClassMissing),
        ("mask", TrainingDataMissing),
        ("same", TrainingDuplicates),
        ("text", TrainingPictureUnreadable),
    ],
)
def test_what_would_make_figures_wrong_is_refused(tmp_path: Path, what: str, error: type[Exception]) -> None:
    spoil(mvtec(tmp_path), what)
    with pytest.raises(error):
        normals.normals(tmp_path)


def made(data: Path, out: Path) -> Place:
    """The recipe, on features that are the picture itself."""
    out.mkdir()
    onnx.save(passed_through(SIDE, SIDE, 3), str(out / "features.onnx"))
    place = Place(data, out, start=out / "features.onnx")
    patchcore.train(place, Budget("cpu", 0.1, 1, float("inf")))
    return place


def test_a_memory_is_made_judged_and_taken_in_with_its_figures(tmp_path: Path) -> None:
    data = mvtec(tmp_path / "data")
    place = made(data, tmp_path / "out")
    patchcore.score(place)
    note = json.loads((place.out / "thermal_patchcore.json").read_text())
    figures = {metric["name"]: metric["value"] for metric in note["metrics"]}
    assert figures["image AUROC, own pictures"] == 1.0 and figures["F1 at the limit, own pictures"] > 0.8
    assert figures["PRO to FPR 0.3, own pictures"] > 0.8 and figures["pixel AUROC, own pictures"] > 0.9
    assert (note["run"]["patches"], note["run"]["of"]) == (150, 16 * SIDE * SIDE)
    assert place.progress.facts["step"] == place.progress.facts["steps"] == 20
    sheet = read_rgb(place.out / "thermal_patchcore.png")
    assert sheet.std() > 10
    command = place.progress.facts["then"].split()
    with pytest.raises(SystemExit) as ended:
        app([*command[1:], "--out", str(tmp_path / "mine")])
    assert ended.value.code in (0, None)
    entry = read_manifest(tmp_path / "mine/manifest.toml", "mine")["thermal_patchcore"]
    assert entry.metrics["image AUROC, own pictures"]["value"] == 1.0
    assert entry.thresholds == note["thresholds"] and "16 normal pictures" in entry.trained_on[0]
    assert "image AUROC, own pictures" in (tmp_path / "mine/cards/thermal_patchcore.md").read_text()


def test_the_same_pictures_make_the_same_file(tmp_path: Path) -> None:
    data = mvtec(tmp_path / "data")
    digests = [
        hashlib.sha256((made(data, tmp_path / name).out / patchcore.FILE).read_bytes()).hexdigest()
        for name in ("one", "two")
    ]
    assert digests[0] == digests[1]
    write(data / "train/good/00.png", picture(3, SIDE))
    assert hashlib.sha256((made(data, tmp_path / "three").out / patchcore.FILE).read_bytes()).hexdigest() != digests[0]
