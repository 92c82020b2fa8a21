"""A made-up `people_ccp`: discs of skin under caps of hair, with their masks, in runs of shots far enough apart."""

import csv
from pathlib import Path

import cv2
import numpy as np

from training.portraits import HAIR, SKIN


def write_people(data: Path, count: int = 40) -> None:
    """`count` people, each of a group of its own."""
    rng = np.random.default_rng(1)
    rows = []
    folder = data / "people_ccp"
    (folder / "train").mkdir(parents=True)
    for number in range(0, 10 * count, 10):
        labels = np.zeros((150, 100), np.uint8)
        cv2.circle(labels, (50, 26), 15, HAIR, -1)
        cv2.circle(labels, (50, 32), 11, SKIN, -1)
        image = rng.integers(90, 130, (150, 100, 3)).astype(np.uint8)
        image[labels == SKIN], image[labels == HAIR] = (120, 150, 200), (30, 40, 60)
        cv2.imwrite(str(folder / "train" / f"{number:04d}.jpg"), image)
        cv2.imwrite(str(folder / "train" / f"{number:04d}_mask.png"), labels)
        rows.append({"file": f"{number:04d}.jpg", "split": "train", "orig_name": f"{number:04d}.jpg"})
    write_rows(folder, rows)


def write_scope(data: Path) -> None:
    """A made-up `skin_type`: one close-up of each label."""
    folder = data / "skin_type"
    (folder / "train").mkdir(parents=True)
    rows = []
    for label in ("normal", "dry", "oily", "combination"):
        cv2.imwrite(str(folder / "train" / f"{label}.jpg"), np.full((40, 40, 3), 150, np.uint8))
        rows.append({"file": f"{label}.jpg", "split": "train", "label": label, "original": f"{label}/1"})
    write_rows(folder, rows)


def write_rows(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
