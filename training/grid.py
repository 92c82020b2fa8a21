"""The cataract seed's search for the fast model: every combination, by cross-validation over groups.

The plain best mean area under the ROC curve wins, of equals the one with fewer, then flatter trees. With five folds of some
thirty groups the standard error is larger than most differences: the search keeps a bad choice out, and proves no good one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import TrainingTooFewPictures
from training.data import Floats
from training.evaluate import auc

GRID: Final[dict[str, tuple[Any, ...]]] = {
    "n_estimators": (100, 200, 300),
    "learning_rate": (0.01, 0.1, 0.2),
    "max_depth": (3, 5, 7, 9),
}
FOLDS: Final = 5
LEAVES: Final = 31
"""Most of a tree, however deep."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One combination and its area under the ROC curve in each fold."""

    parameters: dict[str, Any]
    areas: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the folds."""
        return float(np.mean(self.areas))

    @property
    def error(self) -> float:
        """Standard error of the mean over the folds."""
        return float(np.std(self.areas, ddof=1) / np.sqrt(len(self.areas)))


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows [N,F] to learn from with labels [N] and groups; the first `asked` rows are the pictures as they are."""

    rows: Floats
    labels: Floats
    groups: Sequence[str]
    asked: int


def folds(groups: Sequence[str], labels: Floats, count: int = FOLDS) -> NDArray[np.int64]:
    """The fold of each row: a group stays whole, and both classes are spread as evenly as whole groups allow."""
    names, member = np.unique(np.array(groups), return_inverse=True)
    held = np.stack([np.bincount(member, labels == label, len(names)) for label in (0, 1)], axis=1)
    held = held / np.maximum(held.sum(axis=0), 1)
    filled, chosen = np.zeros((count, 2)), np.zeros(len(names), np.int64)
    for group in np.argsort(-held.sum(axis=1), kind="stable"):
        spread = [np.square(filled + held[group] * (np.arange(count) == k)[:, None]).sum() for k in range(count)]
        chosen[group] = int(np.argmin(spread))
        filled[chosen[group]] += held[group]
    return chosen[member]


def settings(parameters: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """LightGBM's own words for a combination, on top of what all have in common."""
    depth = parameters["max_depth"]
    rate = parameters["learning_rate"]
    return base | {"learning_rate": rate, "max_depth": depth, "num_leaves": min(2**depth, LEAVES)}


def search(sheet: Sheet, base: dict[str, Any], scale: float, told: Callable[[int, int], None]) -> list[Trial]:
    """Every combination's trial; `scale` is the share of the trees, `told` hears (done, all) fits. Raises TrainingTooFewPictures.

    A booster of 100 trees is the first 100 of one of 300, so each rate and depth is fitted once a fold.
    """
    side = folds(sheet.groups, sheet.labels)
    if any(len(set(sheet.labels[: sheet.asked][side[: sheet.asked] == fold])) < 2 for fold in range(FOLDS)):
        raise TrainingTooFewPictures(f"{FOLDS} folds of whole groups, each with both classes")
    most = max(GRID["n_estimators"])
    shapes = list(product(GRID["learning_rate"], GRID["max_depth"]))
    areas: dict[tuple[Any, ...], list[float]] = {}
    for done, (fold, (rate, depth)) in enumerate(product(range(FOLDS), shapes)):
        told(done, FOLDS * len(shapes))
        own = settings({"learning_rate": rate, "max_depth": depth}, base)
        held = np.flatnonzero(side[: sheet.asked] == fold)
        booster = fitted(sheet.rows[side != fold], sheet.labels[side != fold], own, trees(most, scale))
        for count in GRID["n_estimators"]:
            says = booster.predict(sheet.rows[held], num_iteration=trees(count, scale), raw_score=True)
            found = auc(np.asarray(says, np.float32), list(sheet.labels[held] == 1))
            areas.setdefault((count, rate, depth), []).append(found)
    return [Trial(dict(zip(GRID, key, strict=True)), tuple(areas[key])) for key in combinations()]


def combinations() -> Iterator[tuple[Any, ...]]:
    """All of the grid, in its order."""
    return product(*GRID.values())


def trees(count: int, scale: float) -> int:
    """As many as the budget allows."""
    return max(1, round(count * scale))


def fitted(rows: Floats, labels: Floats, own: dict[str, Any], count: int) -> lightgbm.Booster:
    """A booster on these rows, both classes weighing alike."""
    weight = np.where(labels == 1, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    return lightgbm.train(own, lightgbm.Dataset(rows, labels, weight=weight), count)


def best(trials: Sequence[Trial]) -> Trial:
    """The highest mean area."""
    return max(trials, key=lambda one: (one.mean, -one.parameters["n_estimators"], -one.parameters["max_depth"]))
