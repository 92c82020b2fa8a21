"""A labelled set of drawn eyes in the form that `training.data` reads: dark pupils are normal, milky ones are not."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

from training.eyes import CATARACT


def write_eyes(data: Path, groups: int = 60, each: int = 2) -> Path:
    """The cataract set, every second group of one class; the folder that holds it."""
    folder = data / CATARACT
    (folder / "train").mkdir(parents=True)
    rows = [
        {
            "file": f"{group}_{one}.png",
            "split": "train",
            "label": ("Normal", "Cataract")[group % 2],
            "group": f"{group}x9",
        }
        for group in range(groups)
        for one in range(each)
    ]
    rng = np.random.default_rng(4)
    for row in rows:
        cv2.imwrite(str(folder / "train" / row["file"]), drawn(rng, row["label"] == "Cataract"))
    write_table(folder, rows)
    return data


def write_table(folder: Path, rows: list[dict[str, str]]) -> None:
    """`labels.csv`."""
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def drawn(rng: np.random.Generator, milky: bool) -> np.ndarray:
    """Skin, white, iris, pupil, and noise."""
    image = np.full((72, 96, 3), (130, 160, 200), np.uint8)
    cv2.ellipse(image, (48, 36), (40, 24), 0, 0, 360, (235, 235, 235), -1)
    cv2.circle(image, (48, 36), 20, tuple(int(value) for value in rng.integers(40, 120, 3)), -1)
    cv2.circle(image, (48, 36), int(rng.integers(7, 11)), (190, 190, 190) if milky else (10, 10, 10), -1)
    noise = rng.normal(0, 8, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)
