"""Labelled pictures on disk, split into train, validation and test by group."""

import csv
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]
Part: TypeAlias = Literal["train", "validation", "test"]

VALIDATION_PER_CENT: Final = 10
TEST_PER_CENT: Final = 16
MASKS_AGREE: Final = 0.88
"""Machine-made masks whose two makers agree less than this (IoU) are left out."""
HELD_OUT_SOURCES: Final = frozenset({"maxogden", "supergawp"})
"""Sources kept whole for the test part: few cats in many pictures, or scored elsewhere too."""
SHOTS: Final[Mapping[str, int]] = {"magnetic_tile_full": 1000, "thermal_substations": 10}
"""Sets whose files are numbered in the order of shooting: how many numbers stay on one side. One tile's exposures and
one place's shots follow each other."""

WITH_NEGATIVES: Final = (
    "cats_dogs",
    "noncat_caltech101",
    "imagenet_sample1000",
    "noncat_clothing_cc0",
    "people_ccp",
)
"""Sets that hold dogs, people and things."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One row of a set's `labels.csv`; pixels are read on demand."""

    dataset: str
    path: Path
    group: str
    part: Part
    row: Mapping[str, str]

    def pixels(self, shorter_side: int | None = None) -> Pixels:
        """RGB [H,W,3], 0..255; reduced (never enlarged) to `shorter_side` pixels if given."""
        image = read_rgb(self.path)
        shorter = min(image.shape[:2])
        if shorter_side is None or shorter <= shorter_side:
            return image
        scale = shorter_side / shorter
        return as_pixels(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def read_rgb(path: Path) -> Pixels:
    """Decode a file to RGB [H,W,3]; raises `ValueError` when OpenCV cannot."""
    decoded = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if decoded is None:
        message = f"cannot decode {path}"
        raise ValueError(message)
    return as_pixels(decoded)


def as_pixels(array: object) -> Pixels:
    """Narrow what OpenCV returns to uint8; a cast of the type, values are already 0..255."""
    return np.asarray(array, dtype=np.uint8)


def part_of(group: str) -> Part:
    """The side a group falls on: a stable hash, so it never moves when pictures are added."""
    if group in HELD_OUT_SOURCES:
        return "test"
    per_cent = int(hashlib.sha256(group.encode()).hexdigest(), 16) % 100
    if per_cent < TEST_PER_CENT:
        return "test"
    return "validation" if per_cent < TEST_PER_CENT + VALIDATION_PER_CENT else "train"


def group_of(dataset: str, row: Mapping[str, str]) -> str:
    """What must stay on one side: what the set says, an individual cat, a source, a run of shots, or the picture."""
    name = row.get("orig_name", row["file"])
    if dataset == "cats_maxogden_bsd" or row.get("source") == "maxogden":
        return "maxogden"
    if dataset == "cat_eye_conjunctivitis" or row.get("source") == "supergawp":
        return "supergawp"
    if row.get("source") == "gpriamo":
        return "gpriamo/" + Path(name).parent.name
    if "group" in row:
        return f"{dataset}/{row['group']}"
    if dataset in SHOTS:
        return f"{dataset}/{row.get('place', '')}{int(re.findall(r'[0-9]+', name)[-1]) // SHOTS[dataset]}"
    if dataset == "people_ccp":
        return f"people_ccp/{int(Path(name).stem) // 10}"
    return f"{dataset}/{name}"


def pictures(data: Path, dataset: str) -> Iterator[Picture]:
    """Every picture of one set, in the order of its `labels.csv`."""
    folder = data / dataset
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            group = group_of(dataset, row)
            yield Picture(dataset, folder / row["split"] / row["file"], group, part_of(group), row)


def only(items: Iterable[Picture], part: Part) -> list[Picture]:
    """The pictures of one part."""
    return [item for item in items if item.part == part]


def everything(data: Path, datasets: Iterable[str]) -> list[Picture]:
    """All pictures of several sets."""
    return [item for dataset in datasets for item in pictures(data, dataset)]


def feline(picture: Picture) -> bool:
    """Whether the labels say cat, tame or wild."""
    row = picture.row
    return row.get("label") == "cat" or "1" in {row.get("is_wild_felid"), row.get("is_domestic_cat")}


def decoded(items: Iterable[Picture], shorter_side: int | None = None) -> list[Pixels]:
    """Pixels of many pictures, decoded by as many threads as there are cores; the threads end here."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(lambda item: item.pixels(shorter_side), items))


def without_cats(data: Path, part: Part) -> list[Picture]:
    """Pictures of dogs, people and things; no cats, tame or wild."""
    return [item for item in only(everything(data, WITH_NEGATIVES), part) if not feline(item)]


def animal_masks(data: Path, part: Part) -> list[tuple[Path, Path]]:
    """(picture, mask) of the machine-made masks worth learning from, on their picture's own side."""
    sets = ("cat_face_landmarks_pseudo", "cats_dogs")
    sides = {item.path: item.part for item in everything(data, sets)}
    masks = pictures(data, "animal_masks_pseudo")
    trusted = [mask for mask in masks if float(mask.row["iou_deeplab_grabcut"]) > MASKS_AGREE]
    pairs = [(data / mask.row["image"], mask.path) for mask in trusted]
    return [(path, mask) for path, mask in pairs if sides.get(path) == part]


def read_mask(path: Path) -> Pixels:
    """A mask file as [H,W], 0 or 255."""
    return as_pixels(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
