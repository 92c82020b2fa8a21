"""Small folders of made-up pictures as a user would bring them, one layout for each kind of recipe."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np

AREAS = ("left_eye", "right_eye", "left_ear", "right_ear", "mouth")
SPLITS = ("train", "train", "validation", "test")


def picture(number: int, side: int = 48) -> np.ndarray:
    """Noise, another one for each number."""
    return np.random.default_rng(number).integers(0, 256, (side, side + 8, 3), np.uint8)


def write(file: Path, pixels: np.ndarray) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), pixels)
    return file


def table(folder: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    rows = list(rows)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def classes(folder: Path, labels: Iterable[str], each: int = 12, start: int = 0) -> Path:
    """A table with a split, so that every part has some of every class."""
    rows: list[dict[str, object]] = []
    for label in labels:
        for number in range(each):
            name = f"{label}_{number}.png"
            write(folder / name, picture(start + len(rows)))
            rows.append({"file": name, "label": label, "split": SPLITS[number % len(SPLITS)]})
    return table(folder, rows)


def areas(folder: Path) -> Path:
    for number, area in enumerate(AREAS):
        classes(folder / area, ("normal", "abnormal"), start=100 * number)
    return folder


def boxes(folder: Path) -> Path:
    """Every second picture has a head in its middle."""
    rows: list[dict[str, object]] = []
    for number in range(24):
        write(folder / f"{number}.png", picture(number, 96))
        corners = (20, 20, 70, 70) if number % 2 else ("",) * 4
        split = SPLITS[number // 2 % len(SPLITS)]
        rows.append(
            {"file": f"{number}.png", **dict(zip(("x0", "y0", "x1", "y1"), corners, strict=True)), "split": split}
        )
    return table(folder, rows)


def masks(folder: Path, each: int = 40) -> Path:
    """Enough that the hash gives every part some."""
    for number in range(each):
        pixels = write(folder / "images" / f"{number}.jpg", picture(number)) and picture(number)
        mask = np.zeros(pixels.shape[:2], np.uint8)
        mask[10:40, 10:40] = 255
        write(folder / "masks" / f"{number}.png", mask)
    return folder
