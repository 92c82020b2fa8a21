"""A user's own labelled pictures: one folder, a simple layout, split by group, checked before the first step.

Classes: `<label>/x.jpg` (a folder below the label is a group: `<label>/<group>/x.jpg`), or `labels.csv` with `file,label`
and, if wanted, `group` and `split` (train, validation, test). Boxes: `labels.csv` with `file,x0,y0,x1,y1`, empty for a
picture without one. Masks: `images/` and `masks/`, same names. `docs/training_data.md` says more.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from math import inf
from pathlib import Path
from typing import Final

from pipeline.errors import (
    TrainingClassMissing,
    TrainingDataMissing,
    TrainingDuplicates,
    TrainingLabelsInvalid,
    TrainingPictureUnreadable,
    TrainingTooFewPictures,
)
from pipeline.imaging.codec import pixel_digest
from training.data import Part, Picture, Pixels, part_of, read_rgb

OWN: Final = "own"
"""Name of the set that a user's pictures form."""
ENDINGS: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
PARTS: Final[tuple[Part, ...]] = ("train", "validation", "test")
LEAST: Final = 10
"""Pictures of a class."""
TABLE: Final = "labels.csv"
BOX: Final = ("x0", "y0", "x1", "y1")


def own(data: Path) -> bool:
    """Whether a folder is a user's own: none of its folders is a labelled set of ours, with a table and `train/`."""
    return not any((inside / TABLE).exists() and (inside / "train").is_dir() for inside in data.iterdir())


@cache
def labelled(folder: Path, classes: tuple[str, ...], others: tuple[str, ...] = ()) -> tuple[Picture, ...]:
    """Pictures with a label in their row, checked: one of the classes, or one of `others`, which count for the last class."""
    items = from_table(folder, ("label",)) if (folder / TABLE).exists() else from_folders(folder)
    for item in items:
        label = item.row["label"]
        if label not in (*classes, *others):
            known = ", ".join((*classes, *others))
            raise TrainingLabelsInvalid(f"{place(item, folder)}: {label!r} is none of {known}")
    return checked(
        items, lambda item: classes[-1] if item.row["label"] in others else item.row["label"], classes, folder
    )


@cache
def boxed(folder: Path) -> tuple[Picture, ...]:
    """Pictures with numbers for a box in their row, or empty ones: no such thing on it. One box for a picture."""
    items = from_table(folder, BOX)
    for item in items:
        well_boxed(item, folder)
    twice = [path for path, count in Counter(item.path for item in items).items() if count > 1]
    if twice:
        raise TrainingLabelsInvalid(f"{twice[0].name} has several rows: one box for a picture")
    return checked(items, lambda item: "box" if item.row["x0"] else "no box", ("box", "no box"), folder)


@cache
def masked(folder: Path) -> tuple[tuple[Picture, Path], ...]:
    """Pictures in `images/`, each with a mask of its size and name in `masks/`."""
    images, masks = folder / "images", folder / "masks"
    named_alike = {path.relative_to(masks).with_suffix(""): path for path in files(masks)}
    pairs = []
    for path in files(images):
        name = path.relative_to(images).with_suffix("")
        if name not in named_alike:
            raise TrainingDataMissing(f"masks/{name}.png")
        pairs.append((named(path, images, {}), named_alike[name]))
    items = checked([item for item, _ in pairs], lambda _: "masked", ("masked",), folder)
    for item, mask in pairs:
        if read(Picture(OWN, mask, item.group, item.part, {}), folder).shape != item.pixels().shape:
            raise TrainingLabelsInvalid(f"{mask.relative_to(folder)} is not as large as its picture")
    return tuple(zip(items, (mask for _, mask in pairs), strict=True))


def well_boxed(item: Picture, folder: Path) -> None:
    """Raise `TrainingLabelsInvalid` unless the row has four numbers that make a box, or nothing."""
    words = [item.row[name] for name in BOX]
    try:
        x0, y0, x1, y1 = (float(word) for word in words) if any(words) else (0.0, 0.0, 1.0, 1.0)
    except ValueError as error:
        raise TrainingLabelsInvalid(f"{place(item, folder)}: a box is four numbers") from error
    if not (0 < x1 - x0 < inf and 0 < y1 - y0 < inf):
        raise TrainingLabelsInvalid(f"{place(item, folder)}: x0 < x1 and y0 < y1 must hold")


def from_folders(folder: Path) -> list[Picture]:
    """Every picture, its label the outermost folder's name."""
    return [named(path, folder, {"label": path.relative_to(folder).parts[0]}) for path in files(folder)]


def named(path: Path, folder: Path, row: Mapping[str, str]) -> Picture:
    """A picture in folders: of the group that its folder names, if that is not the label's own, else on its own."""
    inner = path.relative_to(folder)
    group = "/".join(inner.parts[1 if "label" in row else 0 : -1]) or inner.as_posix()
    return Picture(OWN, path, group, part_of(f"{OWN}/{group}"), row)


def files(folder: Path) -> list[Path]:
    """Every picture in a folder and below, in order."""
    if not folder.is_dir():
        raise TrainingDataMissing(folder.name)
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())


def from_table(folder: Path, columns: Iterable[str]) -> list[Picture]:
    """Every row of `labels.csv`; it must have `file` and these columns."""
    table = folder / TABLE
    if not table.exists():
        raise TrainingDataMissing(TABLE)
    try:
        lines = table.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise TrainingLabelsInvalid(f"{TABLE} is not in UTF-8") from error
    reader = csv.DictReader(lines)
    missing = [name for name in ("file", *columns) if name not in (reader.fieldnames or ())]
    if missing:
        raise TrainingLabelsInvalid(f"{TABLE} has no column {missing[0]}")
    return [listed(folder, {key: (value or "").strip() for key, value in row.items() if key}) for row in reader]


def listed(folder: Path, row: Mapping[str, str]) -> Picture:
    """One row; its split if it gives one, else by its group's hash."""
    path = folder / row["file"]
    if not path.resolve().is_relative_to(folder.resolve()):
        raise TrainingLabelsInvalid(f"{row['file']} is outside the folder")
    group = row.get("group") or row["file"]
    split = row.get("split") or part_of(f"{OWN}/{group}")
    for part in PARTS:
        if split == part:
            return Picture(OWN, path, group, part, row)
    raise TrainingLabelsInvalid(f"{row['file']}: {split!r} is none of {', '.join(PARTS)}")


def checked(
    items: Sequence[Picture], kind: Callable[[Picture], str], kinds: Collection[str], folder: Path
) -> tuple[Picture, ...]:
    """The pictures, if every kind has enough in every part, all can be read, and none is on two sides."""
    for wanted in kinds:
        parts = Counter(item.part for item in items if kind(item) == wanted)
        if not parts:
            raise TrainingClassMissing(wanted)
        if parts.total() < LEAST:
            raise TrainingTooFewPictures(f"{wanted}: {parts.total()} of {LEAST}")
        for part in PARTS:
            if not parts[part]:
                raise TrainingTooFewPictures(f"{wanted}: none for {part}; add some, or give a split")
    with ThreadPoolExecutor() as threads:
        digests = list(threads.map(lambda item: pixel_digest(read(item, folder)), items))
    once_only(items, digests, kind, folder)
    return tuple(items)


def once_only(items: Sequence[Picture], digests: Sequence[str], kind: Callable[[Picture], str], folder: Path) -> None:
    """Raise `TrainingDuplicates` if a group, or the same pixels, are in two parts, or under two labels."""
    same: dict[str, list[Picture]] = defaultdict(list)
    for item, digest in zip(items, digests, strict=True):
        same[digest].append(item)
        same[f"group {item.group}"].append(item)
    for key, (one, *others) in same.items():
        for other in others:
            if one.part != other.part or (kind(one) != kind(other) and not key.startswith("group ")):
                raise TrainingDuplicates(f"{place(one, folder)} and {place(other, folder)}")


def read(item: Picture, folder: Path) -> Pixels:
    """RGB [H,W,3]; raises `TrainingPictureUnreadable`."""
    try:
        return read_rgb(item.path)
    except ValueError as error:
        raise TrainingPictureUnreadable(place(item, folder)) from error


def place(item: Picture, folder: Path) -> str:
    """Where a picture is in the folder."""
    return item.path.relative_to(folder).as_posix()
