"""A user's own normal pictures, and pictures to test a memory on: read and checked before anything is computed.

The layout is that of the MVTec AD set, whole or in parts: normal pictures in `DIR/train/good`, or anywhere in DIR; a test
folder (`DIR/test`, or another) with `good/` and one folder for each kind of defect; masks, white where it is odd, in
`ground_truth/KIND/NAME.png` or `NAME_mask.png`, beside the test folder or in it. `docs/training_data.md` says more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pipeline.errors import TrainingClassMissing, TrainingDataMissing, TrainingDuplicates, TrainingTooFewPictures
from pipeline.imaging.codec import pixel_digest
from training.data import Picture
from training.folder import ENDINGS, files, named, read

LEAST: Final = 5
"""Normal pictures: every fifth is not remembered."""
GOOD: Final = "good"
TRUTH: Final = "ground_truth"


@dataclass(frozen=True, slots=True)
class Normals:
    """Normal pictures to remember, others that say where the limits lie, and a test's, if there is one."""

    remembered: Sequence[Picture]
    held: Sequence[Picture]
    test: Sequence[Picture]
    """`row`: `label`, which is `good` or the defect, and `mask`, a path or empty."""


def normals(data: Path, test: Path | None = None) -> Normals:
    """What lies in the folders. Raises the training's request errors."""
    good = data / "train" / GOOD
    folder = good if good.is_dir() else data
    found = [named(path, folder, {"label": GOOD}) for path in files(folder)]
    if len(found) < LEAST:
        raise TrainingTooFewPictures(f"normal: {len(found)} of {LEAST}")
    if test is None and folder is good and (data / "test").is_dir():
        test = data / "test"
    tested = [] if test is None else judged(test)
    apart(found, folder, tested, test or data)
    remembered = [item for index, item in enumerate(found) if index % LEAST != LEAST - 1]
    return Normals(remembered, found[LEAST - 1 :: LEAST], tested)


def judged(folder: Path) -> list[Picture]:
    """Pictures of a test, each with its label and its mask."""
    found = [named(path, folder, {"label": path.relative_to(folder).parts[0]}) for path in files(folder)]
    found = [item for item in found if item.row["label"] != TRUTH]
    labels = {item.row["label"] for item in found}
    if GOOD not in labels:
        raise TrainingClassMissing(GOOD)
    if len(labels) < 2:
        raise TrainingClassMissing(f"{folder.name}: a folder of defects beside {GOOD}")
    return [replace(item, row={**item.row, "mask": mask_of(item, folder)}) for item in found]


def mask_of(item: Picture, folder: Path) -> str:
    """Where a defect's mask lies; empty if it has none. Raises where its kind has masks, but this picture none."""
    inner = item.path.relative_to(folder)
    places = [place for at in (folder, folder.parent) if (place := at / TRUTH / inner.parent).is_dir()]
    if item.row["label"] == GOOD or not places:
        return ""
    for ending in ENDINGS:
        for name in (f"{inner.stem}_mask{ending}", inner.stem + ending):
            if (places[0] / name).exists():
                return str(places[0] / name)
    raise TrainingDataMissing(f"{TRUTH}/{inner.with_suffix('')}_mask.png")


def apart(normal: Sequence[Picture], folder: Path, tested: Sequence[Picture], test: Path) -> None:
    """Read all pictures once; raise `TrainingDuplicates` if a tested one is among the normal ones."""
    known = {pixel_digest(read(item, folder)): item for item in normal}
    for item in tested:
        if (same := known.get(pixel_digest(read(item, test)))) is not None:
            raise TrainingDuplicates(f"{same.path.name} and {item.path.name} of the test")
