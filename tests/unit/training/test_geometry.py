"""True faces pass the pipeline's rules, spoiled ones do not, and the figures say so."""

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.unit.training.test_faces import ROW
from training import geometry
from training.data import Picture
from training.faces import face_of

POINTS = geometry.in_crop(face_of(Picture("set", Path("x.jpg"), "g", "train", ROW)))
SOUND = {way for way in geometry.SPOILERS if "no fault" in way}


def test_a_labelled_face_passes() -> None:
    assert geometry.rule_of(POINTS) is None


@pytest.mark.parametrize("way", sorted(geometry.SPOILERS))
def test_spoiled_faces_are_caught_and_sound_ones_are_not(way: str) -> None:
    rng = np.random.default_rng(1)
    caught = [geometry.rule_of(geometry.SPOILERS[way](rng, POINTS)) is not None for _ in range(60)]
    assert sum(caught) == 0 if way in SOUND else sum(caught) > 50


def test_a_turned_head_keeps_its_heights_and_moves_its_nose() -> None:
    seen = geometry.yawed(POINTS, 30)
    assert seen[:, 1] == pytest.approx(POINTS[:, 1], abs=1e-6)
    assert seen[5, 0] > POINTS[5, 0] and seen[1, 0] - seen[0, 0] < POINTS[1, 0] - POINTS[0, 0]


def test_every_part_is_counted(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    rows = [{"file": f"{i}.jpg", "split": "train", "orig_name": f"{i}", "source": "x", **ROW} for i in range(40)]
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    told = geometry.measure(tmp_path, "faces")
    assert sum(part["n"] for part in told["true faces that pass"].values()) == 40
    assert all(part["share"] == 1 for part in told["true faces that pass"].values())
    low, high = told["extents, train"]["eyes_apart"]
    assert low == high == round(40 / 130, 3)
    assert set(told["spoiled faces that are caught"]) == set(geometry.SPOILERS)
