"""A PatchCore memory of normal pictures, a user's own or the labelled sets'; nothing is trained.

Magnetic tiles say what the method and the features are worth: they have true masks. Of thermograms no label of the set
proves that a picture is normal: such a memory shows the way, and a user's own pictures make one to be used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from pipeline.imaging.anomaly_map import smooth
from pipeline.models.settings import PACKS_ROOT
from training import anomaly_sheet, served
from training.anomaly_scores import Judged, Masks
from training.budget import Budget
from training.data import Floats, Part, Picture, decoded, only, pictures, read_mask
from training.entries.thermal import METHOD
from training.evaluate import Metric
from training.fitting import log
from training.folder import own
from training.normals import Normals, normals
from training.place import Place
from training.recipes import patches
from training.recipes.patches import normal
from training.remember import ADD, remember, side_of

FILE: Final = "thermal_patchcore.onnx"
BANK: Final = 1500
"""Patches remembered, times the budget's scale."""
TILES: Final = "magnetic_tile_full"
THERMOGRAMS: Final = "thermal_substations"


@dataclass(frozen=True, slots=True)
class Answers:
    """What a network said of pictures: scores [N] and maps [N,h,w]."""

    scores: Floats
    maps: Floats


def features(place: Place) -> Path:
    """The feature network: `--start`, else what `patches` left in the same folder, else the starter pack's."""
    here = place.out / patches.FILE
    return place.start or (here if here.exists() else PACKS_ROOT / "starter" / patches.FILE)


def chosen(place: Place) -> Normals:
    """The pictures: a user's own, or thermograms without a marked hot spot."""
    if own(place.data):
        return normals(place.data, place.truth)
    items = [item for item in pictures(place.data, THERMOGRAMS) if normal(item)]
    return Normals(only(items, "train"), only(items, "validation"), ())


def train(place: Place, budget: Budget) -> None:
    """Write `thermal_patchcore.onnx`."""
    given = chosen(place)
    size = max(1, round(BANK * budget.scale))

    def tell(done: int, of: int) -> None:
        place.progress.tell("training", stage=1, stages=1, step=done, steps=of)

    made = remember(
        decoded(given.remembered), decoded(given.held), features(place), place.out / FILE, size, place.seed, tell
    )
    log.info("%s", made.told)
    facts = {"patches": made.patches, "of": made.seen, "search_ms": round(made.search_ms, 2), "sha256": made.sha256}
    place.trained("patchcore", budget, (), features=served.sha256(features(place)), thresholds=made.thresholds, **facts)


def score(place: Place) -> None:
    """Note limits and figures: of the test that came with a user's pictures, or of tiles and thermograms."""
    thresholds = place.ran("patchcore")["thresholds"]
    if own(place.data):
        given = normals(place.data, place.truth)
        found = examined(place, given.test, "own pictures", "the owner's test", thresholds) if given.test else []
        place.note("patchcore", "thermal_patchcore", found, thresholds=thresholds, entry=owned(given))
        place.progress.tell("scoring", then=ADD.format(out=place.out))
        return
    thermograms = only(pictures(place.data, THERMOGRAMS), "test")
    own_figures = examined(place, thermograms, THERMOGRAMS, "test part", thresholds)
    of = "patches" if (place.out / "patches.run.json").exists() else "patchcore"
    place.note(of, "patch_features", [*of_tiles(place), *own_figures])
    place.note("patchcore", "thermal_patchcore", own_figures, thresholds=thresholds)


def owned(given: Normals) -> dict[str, object]:
    """What the card says otherwise of a user's own memory."""
    made_of = f"{len(given.remembered)} normal pictures of the owner's; limits by {len(given.held)} others"
    return {
        "trained_on": ["own pictures"],
        "terms": {"own pictures": made_of},
        "licence": "the owner's",
        "good_for": "scans of what its pictures show, by the same camera with the same palette",
        "not_for": "other equipment, cameras or palettes, and any statement of what is wrong",
        "how": f"{METHOD}: a feature network and remembered patches in one file. Map and score are distances.",
        "split": "every fifth normal picture is not remembered, but says where the limits lie; a test is the owner's.",
    }


def examined(
    place: Place, items: Sequence[Picture], of: str, on: str, thresholds: dict[str, float], network: str = FILE
) -> list[Metric]:
    """The figures of a network in the output folder, and a sheet of pictures beside it."""
    file = place.out / network
    answers = asked(file, items)
    found = judged(items, answers)
    anomaly_sheet.write(file.with_suffix(".png"), items, found, thresholds["score"], thresholds["place"])
    return found.metrics(of, on, thresholds["score"])


def of_tiles(place: Place, part: Part = "test") -> list[Metric]:
    """What the features are worth where masks are true: a memory of the tiles' normal train pictures."""
    items = list(pictures(place.data, TILES))
    good = [item for item in items if normal(item)]
    network = "tiles_patchcore.onnx"
    known, held = decoded(only(good, "train")), decoded(only(good, "validation"))
    made = remember(known, held, features(place), place.out / network, BANK, place.seed)
    return examined(place, only(items, part), TILES, f"{part} part, hand-made masks", made.thresholds, network)


def asked(file: Path, items: Sequence[Picture]) -> Answers:
    """What the file says of whole pictures; maps made smooth as they are served."""
    side = side_of(file)
    scores, maps = served.answers(file, decoded(items), side, ("score", "map"))
    return Answers(scores, np.stack([smooth(one) for one in maps]))


def judged(items: Sequence[Picture], answers: Answers) -> Judged:
    """Answers beside the truth."""
    odd = np.array([item.row["label"] != "good" if "label" in item.row else not normal(item) for item in items])
    masks = [marked(item, answers.maps.shape[1]) if is_odd else None for item, is_odd in zip(items, odd, strict=True)]
    return Judged([item.group for item in items], odd, answers.scores, answers.maps, masks)


def marked(item: Picture, side: int) -> Masks | None:
    """The mask of an odd picture as a map's [side,side]; None if nobody made one."""
    beside = item.path.with_name(item.path.stem + "_mask.png")
    path = Path(item.row["mask"]) if item.row.get("mask") else beside if beside.exists() else None
    if path is None:
        return None
    return np.asarray(cv2.resize(read_mask(path), (side, side), interpolation=cv2.INTER_AREA) >= 64)
