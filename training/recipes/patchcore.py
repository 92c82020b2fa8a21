"""A PatchCore memory of normal pictures, on `patch_features.onnx` in the same folder; nothing is trained.

Magnetic tiles say what the method and the features are worth: they have true masks. The memory of thermograms is what is
shipped; no label of that set proves that a picture is normal.
"""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
import onnx

from training import patchcore, served
from training.anomaly_limits import limits
from training.budget import Budget
from training.data import Floats, Part, Picture, decoded, only, pictures, read_mask
from training.evaluate import Metric, auc
from training.fitting import log
from training.grouped import grouped
from training.patchcore import Memory
from training.patchcore_onnx import FEATURES, with_memory
from training.place import Place
from training.recipes import patches
from training.recipes.patches import normal

FILE: Final = "thermal_patchcore.onnx"
BANK: Final = 1500
"""Patches remembered."""
TILES: Final = "magnetic_tile_full"
THERMOGRAMS: Final = "thermal_substations"


def features(file: Path, items: list[Picture]) -> Floats:
    """[N,h,w,K] of whole pictures, as they are served."""
    return served.answers(file, decoded(items), patches.SIZE, (FEATURES,))[0]


def remembered(place: Place, dataset: str) -> Memory:
    """A memory of the normal pictures of a set's train part."""
    items = [item for item in only(pictures(place.data, dataset), "train") if normal(item)]
    seen = features(place.out / patches.FILE, items)
    return Memory.of(seen.reshape(-1, seen.shape[-1]), BANK, place.seed)


def train(place: Place, budget: Budget) -> None:
    """Write `thermal_patchcore.onnx`."""
    memory = remembered(place, THERMOGRAMS)
    side = patches.SIZE // 16
    model = with_memory(onnx.load(str(place.out / patches.FILE)), memory, (side, side))
    onnx.save(model, str(place.out / FILE))
    log.info("%d patches remembered", len(memory.bank))
    place.trained("patchcore", budget, ())


def score(place: Place) -> None:
    """Note what the features are worth on tiles and the memory on thermograms; its limits are of validation normals."""
    found = [*judged(place, TILES), *judged(place, THERMOGRAMS)]
    place.note("patches", "patch_features", found)
    memory = remembered(place, THERMOGRAMS)
    normals = [item for item in only(pictures(place.data, THERMOGRAMS), "validation") if normal(item)]
    own = limits(*patchcore.scores(memory, features(place.out / patches.FILE, normals)))
    place.note("patchcore", "thermal_patchcore", judged(place, THERMOGRAMS), thresholds=own)


def judged(place: Place, dataset: str, part: Part = "test") -> list[Metric]:
    """AUROC of whole pictures, normal against the rest; with masks also of pixels."""
    memory = remembered(place, dataset)
    items = only(pictures(place.data, dataset), part)
    maps, found = patchcore.scores(memory, features(place.out / patches.FILE, items))
    odd = np.array([not normal(item) for item in items])
    groups = [item.group for item in items]

    def area(chosen: np.ndarray) -> float:
        return auc(found[chosen], list(odd[chosen])) if 0 < odd[chosen].mean() < 1 else float("nan")

    metrics = [grouped(f"image AUROC, {dataset}", groups, area, f"{part} part, {int(odd.sum())} odd")]
    if dataset == TILES:
        metrics.append(pixels(items, maps, odd))
    return metrics


def pixels(items: list[Picture], maps: Floats, odd: Floats) -> Metric:
    """Pooled AUROC of pixels at an eighth of the input's side, by ranks; the interval is over groups."""
    side = patches.SIZE // 8
    heat = np.stack([cv2.GaussianBlur(cv2.resize(one, (side, side)), (0, 0), 1.0) for one in maps])
    truth = np.zeros(heat.shape, bool)
    for index, item in enumerate(items):
        if odd[index]:
            mask = read_mask(item.path.with_name(item.path.stem + "_mask.png"))
            truth[index] = cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA) >= 64

    def area(chosen: np.ndarray) -> float:
        values, yes = heat[chosen].ravel(), truth[chosen].ravel()
        above = np.searchsorted(np.sort(values[~yes]), values[yes])
        return float(above.mean() / (~yes).sum()) if yes.any() else float("nan")

    return grouped(f"pixel AUROC, {TILES}", [item.group for item in items], area, "test part, hand-made masks")
