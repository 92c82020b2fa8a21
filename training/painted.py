"""Painted pictures of heads and faces, kept as a labelled set: drawn once, looked at by people, read by several recipes.

A set is a folder with `labels.csv` and JPEG files. Picture `n` is drawn by a generator seeded (seed, n), whatever the
number of processes.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final, TypeAlias

import cv2
import numpy as np

from training import face_paint, hair_paint, portraits, skin_paint
from training.budget import Budget
from training.data import Part, Pixels, as_pixels
from training.fitting import log
from training.place import Place
from training.portraits import Canvas, Head

Labels: TypeAlias = Mapping[str, str]
Make: TypeAlias = Callable[[np.random.Generator, Head, int], tuple[Pixels, Labels]]

SIZE: Final = 224
COUNTS: Final[Mapping[Part, int]] = {"train": 4000, "validation": 400, "test": 800}
SEEDS: Final[Mapping[Part, int]] = {"train": 101, "validation": 202, "test": 303}
HAIR_SHARE: Final = 0.03
"""Of the cut-out that must be hair for its kind to be seen."""


@dataclass(frozen=True, slots=True)
class Painted:
    """One picture of a set, as JPEG; `person` is the number of its head in the part."""

    content: bytes
    person: int
    labels: Labels

    def pixels(self) -> Pixels:
        """RGB [S,S,3]."""
        return as_pixels(cv2.imdecode(np.frombuffer(self.content, np.uint8), cv2.IMREAD_COLOR_RGB))


def portrait(rng: np.random.Generator, head: Head, size: int) -> tuple[Pixels, Labels]:
    """Head with hair, of a skin type, a hair type and a condition, each drawn by itself."""
    face = portraits.toned(rng, portraits.canvas(rng, head, size, (0.14, 0.27)))
    kinds = {
        "skin_type": str(rng.choice(list(skin_paint.TYPES))),
        "hair_type": str(rng.choice(list(hair_paint.KINDS))),
        "condition": str(rng.choice(list(skin_paint.CONDITIONS))),
    }
    face = hair_paint.styled(rng, face, kinds["hair_type"])
    face = skin_paint.TYPES[kinds["skin_type"]](rng, featured(rng, face))
    face = skin_paint.CONDITIONS[kinds["condition"]](rng, face)
    return finished(rng, face), kinds


def close(rng: np.random.Generator, head: Head, size: int) -> tuple[Pixels, Labels]:
    """A face that fills the picture, with one finding of `skin_paint.FINDINGS`."""
    face = portraits.toned(rng, portraits.canvas(rng, head, size, (0.3, 0.55)))
    if rng.random() < 0.5:
        face = hair_paint.styled(rng, face, str(rng.choice(list(hair_paint.KINDS))))
    if rng.random() < 0.25:
        face = skin_paint.TYPES[str(rng.choice(["dry", "oily", "combination"]))](rng, face)
    finding = str(rng.choice(list(skin_paint.FINDINGS)))
    return finished(rng, skin_paint.FINDINGS[finding](rng, featured(rng, face))), {"finding": finding}


def featured(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Eyes, brows and lips on less than half of the faces."""
    return face_paint.features(rng, face) if rng.random() < 0.45 else face


def finished(rng: np.random.Generator, face: Canvas) -> Pixels:
    """With what means nothing, and as sharp as a camera makes it."""
    return as_pixels(face_paint.finished(rng, face_paint.lived_in(rng, face)))


def sets(place: Place, name: str, make: Make, part: Part, budget: Budget | None = None) -> list[Painted]:
    """One part of a painted set: from `place.out` if it is kept there, else painted anew.

    Training (with a budget, of which a small scale paints fewer) keeps it; scoring a pack does not.
    """
    folder = place.out / "painted" / name / part
    if (folder / "labels.csv").exists():
        return read(folder)
    items = portraits.heads(place.data, part)
    items = [head for head in items if float((head.hair > 0).mean()) >= HAIR_SHARE] if make is portrait else items
    count = max(20, round(COUNTS[part] * min(1.0, budget.scale))) if budget else COUNTS[part]
    log.info("%s: painting %d pictures of %d heads", folder, count, len(items))
    painted = draw(items, make, count, SEEDS[part], budget.processes if budget else 2)
    if budget:
        write(folder, painted)
    return painted


def draw(items: Sequence[Head], make: Make, count: int, seed: int, processes: int) -> list[Painted]:
    """Paint `count` pictures, every head about equally often."""
    with ProcessPoolExecutor(processes, get_context("fork")) as pool:
        return list(pool.map(partial(one, items, make, seed), range(count), chunksize=16))


def one(items: Sequence[Head], make: Make, seed: int, number: int) -> Painted:
    """Paint one picture."""
    cv2.setNumThreads(1)
    rng, person = np.random.default_rng((seed, number)), number % len(items)
    pixels, labels = make(rng, items[person], SIZE)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(80, 97))]
    _, content = cv2.imencode(".jpg", pixels[:, :, ::-1], quality)
    return Painted(content.tobytes(), person, labels)


def write(folder: Path, items: Sequence[Painted]) -> None:
    """Keep a set's part; `labels.csv` comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, item in enumerate(items):
        (folder / f"{number:05d}.jpg").write_bytes(item.content)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, fieldnames=["file", "person", *items[0].labels])
        writer.writeheader()
        writer.writerows({"file": f"{k:05d}.jpg", "person": item.person, **item.labels} for k, item in enumerate(items))


def read(folder: Path) -> list[Painted]:
    """A set's part, in the order of its `labels.csv`."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    return [Painted((folder / row.pop("file")).read_bytes(), int(row.pop("person")), row) for row in rows]
