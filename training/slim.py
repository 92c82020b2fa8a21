"""`python -m training.slim --data DATA --to SMALL`: a copy of the labelled sets that fits through a narrow door.

For training on another machine: only the train and validation parts (the test part never leaves), pictures
as WebP under their old names (OpenCV looks at the content), reduced unless they carry coordinates or masks.
"""

import argparse
import csv
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import cv2

from training.data import Picture, pictures

FORMS: Final[Mapping[str, tuple[int | None, int]]] = {
    "cat_face_landmarks_pseudo": (None, 72),
    "cats_dogs": (208, 57),
    "noncat_caltech101": (192, 52),
    "imagenet_sample1000": (192, 52),
    "noncat_clothing_cc0": (176, 55),
    "people_ccp": (None, 46),
    "animal_masks_pseudo": (None, 0),
    "cats_maxogden_bsd": (None, 0),
}
"""Shorter side of each set's pictures in the copy (`None` keeps the size) and WebP's quality. Masks keep their bytes; a set that is
all test leaves an empty table."""


def main() -> None:
    """Copy every set."""
    parser = argparse.ArgumentParser(prog="python -m training.slim", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled sets")
    parser.add_argument("--to", type=Path, required=True, help="folder of the copy")
    given = parser.parse_args()
    for dataset, form in FORMS.items():
        everything = list(pictures(given.data, dataset))
        kept = [item for item in everything if item.part != "test"]
        write_labels(kept, list(everything[0].row), given.to / dataset / "labels.csv")
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda item, form=form: copy(item, given.data, given.to, *form), kept))


def write_labels(items: Sequence[Picture], columns: Sequence[str], file: Path) -> None:
    """The rows of these pictures, unchanged."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, columns)
        writer.writeheader()
        writer.writerows(item.row for item in items)


def copy(item: Picture, data: Path, to: Path, side: int | None, quality: int) -> None:
    """One picture, and the mask beside it if there is one, under the same names."""
    target = to / item.path.relative_to(data)
    target.parent.mkdir(parents=True, exist_ok=True)
    mask = item.path.with_name(item.path.stem + "_mask.png")
    if mask.exists():
        shutil.copyfile(mask, target.with_name(mask.name))
    if item.path.suffix == ".png":
        shutil.copyfile(item.path, target)
        return
    _, encoded = cv2.imencode(".webp", item.pixels(side)[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, quality])
    small = encoded.tobytes()
    # a picture that would grow keeps its bytes
    target.write_bytes(min(small, item.path.read_bytes(), key=len))


if __name__ == "__main__":
    main()
