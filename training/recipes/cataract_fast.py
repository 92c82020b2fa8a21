"""Cataract or not, fast: LightGBM on the eye encoder's embedding.

The encoder is the recipe `eyes`' where that ran into the same folder, else the starter pack's. Number of trees, rate and
depth come from a search over groups of the train part (`training.grid`). It learns from every picture of that part as it
is, cut to its middle, and in a random view; leaves are scaled and shifted so that chances are right on the validation part.
"""

import json
from dataclasses import asdict
from typing import Any, Final

import lightgbm
import numpy as np

from training import grid
from training.budget import Budget
from training.data import Floats, Pixels, only
from training.evaluate import fit_line
from training.eye_data import examined
from training.eyes import labelled_eyes
from training.eyes_scores import cataract_metrics
from training.fitting import log
from training.place import Place
from training.recipes import eyes as encoder

FILE: Final = "cataract_fast.txt"
SEARCH: Final = "cataract_fast.grid.json"
SETTINGS: Final[dict[str, Any]] = {
    "objective": "binary",
    "learning_rate": 0.04,
    "max_depth": 3,
    "num_leaves": 8,
    "feature_fraction": 0.15,
    "bagging_fraction": 0.6,
    "bagging_freq": 1,
    "min_data_in_leaf": 25,
    "lambda_l2": 10.0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


def train(place: Place, budget: Budget) -> None:
    """Write `cataract_fast.txt`."""
    data, below = examined(place), encoder.ready(place)
    rows, labels = encoder.rows(place, "train")
    base = SETTINGS | {"seed": place.seed}
    chosen = searched(place, rows, labels, base, budget.scale)
    count = grid.trees(chosen.parameters["n_estimators"], budget.scale)
    booster = grid.fitted(rows, labels, grid.settings(chosen.parameters, base), count)
    scale, offset = calibrate(booster, *encoder.rows(place, "validation"))
    log.info("%d rows, scale %.2f, offset %.2f", len(rows), scale, offset)
    (place.out / FILE).write_text(booster.model_to_string(), encoding="ascii")
    found = {**chosen.parameters, "mean_roc_auc": chosen.mean, "standard_error": chosen.error, "folds": grid.FOLDS}
    how = HOW.format(trees=count, of=below["of"], **chosen.parameters)
    place.trained("cataract_fast", budget, (), data_sha256=data["sha256"], encoder=below, grid=found, how=how)


def searched(place: Place, rows: Floats, labels: Floats, base: dict[str, Any], scale: float) -> grid.Trial:
    """The best of all combinations; each is told to whoever keeps track, and kept in a file."""
    groups = [item.group for item in only(labelled_eyes(place.data), "train")]
    sheet = grid.Sheet(rows, labels, groups * (len(rows) // len(groups)), len(groups))

    def told(done: int, fits: int) -> None:
        place.progress.tell("training", stage=1, stages=1, step=done, steps=fits)

    trials = grid.search(sheet, base, scale, told)
    for one in trials:
        name = ", ".join(f"{key} {value}" for key, value in one.parameters.items())
        place.progress.tried(name, one.parameters, {"roc_auc": one.mean, "roc_auc_standard_error": one.error})
    text = json.dumps([asdict(one) | {"mean": one.mean, "error": one.error} for one in trials], indent=1)
    (place.out / SEARCH).write_text(text + "\n", encoding="utf-8")
    chosen = grid.best(trials)
    log.info("%s: ROC-AUC %.4f, standard error %.4f", chosen.parameters, chosen.mean, chosen.error)
    return chosen


def calibrate(booster: lightgbm.Booster, rows: Floats, labels: Floats) -> tuple[float, float]:
    """Scale and shift the leaves so that chances are right on these rows, as if half of all eyes had cataract."""
    margins = np.asarray(booster.predict(rows, raw_score=True), np.float32)
    scale, offset = fit_line(margins, labels)
    scale = max(scale, 0.05)
    offset += float(np.log((1 - labels).sum() / labels.sum()))
    for tree in booster.dump_model()["tree_info"]:
        first = offset if tree["tree_index"] == 0 else 0.0
        for leaf in range(tree["num_leaves"]):
            value = booster.get_leaf_output(tree["tree_index"], leaf)
            booster.set_leaf_output(tree["tree_index"], leaf, value * scale + first)
    return scale, offset


def chances(place: Place, images: list[Pixels]) -> Floats:
    """Chance of cataract [N] of whole pictures, as it is served."""
    booster = lightgbm.Booster(model_file=str(place.out / FILE))
    return np.asarray(booster.predict(encoder.embeddings(place.out / encoder.FILE, images), num_threads=1), np.float32)


def score(place: Place) -> None:
    """Note the scores on the test part."""
    metrics = cataract_metrics(place, "cataract_fast", lambda images: chances(place, images))
    place.note("cataract_fast", "cataract_fast", metrics)


HOW: Final = (
    "LightGBM, {trees} trees of depth {max_depth} at a rate of {learning_rate}, the best of 36 combinations by mean "
    "ROC-AUC over five folds of whole groups of the train part, on the 576 numbers of {of}, over every train picture as it "
    "is, its middle, and a random view. Leaves are scaled and shifted on the validation part, as if half of all eyes had a "
    "cataract."
)
"""What the card of a model says that was made by today's recipe."""
