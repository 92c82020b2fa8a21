"""Labelled sets of made-up pictures in the form that `training.data` reads: noise with the same face in each."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from training.data import WITH_NEGATIVES

SIDE: Final = 120
PLACES: Final = {
    "box": (30, 30, 90, 90), "left_eye": (50, 55), "right_eye": (70, 55), "nose": (60, 70), "chin": (60, 90),
    "left_ear_inner": (52, 35), "left_ear_outer": (38, 40), "right_ear_inner": (68, 35), "right_ear_outer": (82, 40),
}  # fmt: skip


def write_sets(data: Path, faces: int = 40, others: int = 16) -> Path:
    """One set of labelled faces, and the sets without cats; the folder that holds them."""
    write_set(data / "cat_face_landmarks_pseudo", [face_row(number) for number in range(faces)])
    for dataset in WITH_NEGATIVES:
        write_set(data / dataset, [row(number * 9 + 1) | {"label": "dog"} for number in range(others)])
    return data


def row(number: int) -> dict[str, object]:
    """What every set says of a picture."""
    size: dict[str, object] = {"width": SIDE, "height": SIDE, "orig_width": 4 * SIDE, "orig_height": 3 * SIDE}
    return {"file": f"{number}.jpg", "split": "train", "orig_name": f"{number}.jpg"} | size


def face_row(number: int) -> dict[str, object]:
    """A labelled face."""
    found = row(number) | {"source": "made", "uncertainty": 0.1}
    for name, numbers in PLACES.items():
        keys = ("x0", "y0", "x1", "y1") if name == "box" else ("x", "y")
        found |= {f"{name}_{key}": value for key, value in zip(keys, numbers, strict=True)}
    return found


def write_set(folder: Path, rows: list[dict[str, object]]) -> None:
    """Pictures and `labels.csv`."""
    (folder / "train").mkdir(parents=True)
    rng = np.random.default_rng(len(rows))
    for one in rows:
        cv2.imwrite(str(folder / "train" / str(one["file"])), rng.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
