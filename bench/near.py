"""How many copies `batch plan --near` finds among photographs, how many strangers it takes for copies, and how fast.

Run: ``python -m bench.near --photos DIR [--number 600]``. Of each photograph eight copies are made, each in another way.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.house import machine
from cli.batches.looks import Looks
from cli.batches.near import alike
from pipeline.sniff import ImageLimits

DISTANCES: Final = (2, 4, 6, 8, 10, 12)
COPIES: Final = ("quality 40", "half", "double", "cropped 2 %", "cropped 5 %")
"""What counts as a copy in precision and recall; what else is made shows what is not found."""
MANY: Final = 100_000


def copies(content: bytes) -> Iterator[tuple[str, bytes]]:
    """A photograph changed, by the name of the change. Of a crop, the share of width and height that is gone."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    wide, high = picture.size
    yield "quality 40", _jpeg(picture, 40)
    yield "half", _jpeg(picture.resize((wide // 2, high // 2)))
    yield "double", _jpeg(picture.resize((wide * 2, high * 2)))
    for share in (2, 5, 10):
        left, top = wide * share // 200, high * share // 200
        yield f"cropped {share} %", _jpeg(picture.crop((left, top, wide - left, high - top)))
    yield "turned by 90°", _jpeg(picture.transpose(Image.Transpose.ROTATE_90))
    yield "mirrored", _jpeg(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))


def _jpeg(picture: Image.Image, quality: int = 92) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def measure(photos: list[Path]) -> dict[str, object]:
    """Recall by kind and distance, precision by distance, pictures a second, seconds to search a hundred thousand."""
    began = time.monotonic()
    with Looks(ImageLimits()) as looks:
        for number, photo in enumerate(photos):
            content = photo.read_bytes()
            for kind, changed in (("original", content), *copies(content)):
                looks.add(f"{number}/{kind}", changed)
        names, hashes = looks.hashes()
    rate = len(names) / (time.monotonic() - began)
    numbers = np.array([int(name.partition("/")[0]) for name in names])
    kinds = np.array([name.partition("/")[2] for name in names])
    even = np.random.default_rng(1).integers(0, 2**64, MANY, np.uint64)
    began = time.monotonic()
    alike(even, 6)
    return {
        "photos": len(photos),
        "found": {kind: _found(hashes, numbers, kinds, kind) for kind in sorted(set(kinds) - {"original"})},
        "pairs": _pairs(hashes, numbers, np.isin(kinds, ("original", *COPIES))),
        "pictures_per_s": round(rate, 1),
        "search_s": round(time.monotonic() - began, 2),
        "load": os.getloadavg()[0],
        "machine": machine(),
    }


def _found(
    hashes: NDArray[np.uint64], numbers: NDArray[np.int64], kinds: NDArray[np.str_], kind: str
) -> dict[int, float]:
    """Share of one kind of copy that is within reach of its original, by distance."""
    original = dict(zip(numbers[kinds == "original"], hashes[kinds == "original"], strict=True))
    apart = [
        int(np.bitwise_count(value ^ original[number]))
        for number, value in zip(numbers[kinds == kind], hashes[kinds == kind], strict=True)
        if number in original
    ]
    return {most: round(sum(each <= most for each in apart) / len(apart), 3) for most in DISTANCES}


def _pairs(
    hashes: NDArray[np.uint64], numbers: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> dict[int, dict[str, float]]:
    """Of all pairs of originals and copies: how many of those told are of one photograph, and how many of these are told."""
    apart = np.bitwise_count(hashes[chosen][:, None] ^ hashes[chosen][None])
    same = numbers[chosen][:, None] == numbers[chosen][None]
    upper = np.triu(np.ones_like(same), 1)
    told = {}
    for most in DISTANCES:
        near = (apart <= most) & upper
        right = int((near & same).sum())
        told[most] = {
            "precision": round(right / max(1, int(near.sum())), 4),
            "recall": round(right / int((same & upper).sum()), 4),
        }
    return told


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--number", type=int, default=600)
    given = parser.parse_args()
    photos = sorted(given.photos.rglob("*.jpg"))
    random.Random(1).shuffle(photos)
    print(json.dumps(measure(photos[: given.number]), ensure_ascii=False))


if __name__ == "__main__":
    main()
