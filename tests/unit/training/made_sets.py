"""Made-up pictures in the form of the labelled sets: a recipe runs on them and learns nothing."""

import csv
from pathlib import Path

import cv2
import numpy as np

from training.data import WITH_NEGATIVES

PLACES = {
    "box": (30, 30, 90, 90), "left_eye": (50, 55), "right_eye": (70, 55), "nose": (60, 70), "chin": (60, 90),
    "left_ear_inner": (52, 35), "left_ear_outer": (38, 40), "right_ear_inner": (68, 35), "right_ear_outer": (82, 40),
}  # fmt: skip


def face_row(number: int) -> dict[str, object]:
    row: dict[str, object] = {"file": f"{number}.jpg", "split": "train", "source": "made", "uncertainty": 0.1}
    row |= {"orig_name": f"{number}.jpg", "width": 120, "height": 120}
    for name, numbers in PLACES.items():
        keys = ("x0", "y0", "x1", "y1") if name == "box" else ("x", "y")
        row |= {f"{name}_{key}": value for key, value in zip(keys, numbers, strict=True)}
    return row


def write_set(folder: Path, rows: list[dict[str, object]]) -> None:
    (folder / "train").mkdir(parents=True)
    rng = np.random.default_rng(len(rows))
    for row in rows:
        cv2.imwrite(str(folder / "train" / str(row["file"])), rng.integers(0, 255, (120, 120, 3)).astype(np.uint8))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_sets(data: Path) -> Path:
    """Forty faces, and some pictures of everything else."""
    write_set(data / "cat_face_landmarks_pseudo", [face_row(number) for number in range(40)])
    for dataset in WITH_NEGATIVES:
        rows = [
            {"file": f"{n}.jpg", "split": "train", "orig_name": f"{n}.jpg", "label": "dog"} for n in range(1, 120, 9)
        ]
        write_set(data / dataset, rows)
    return data
