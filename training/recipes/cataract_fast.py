"""Cataract or not, fast: LightGBM on the eye encoder's embedding.

Needs `eye_encoder.onnx` in the same folder. It learns from every picture of the train part as it is, cut to its middle,
and in a random view. Its leaves are scaled and shifted so that the chances are right on the validation part.
"""

from typing import Any, Final

import lightgbm
import numpy as np

from training.budget import Budget
from training.data import Floats, Pixels
from training.evaluate import fit_line
from training.eyes_scores import cataract_metrics
from training.fitting import log
from training.place import Place
from training.recipes import eyes as encoder

FILE: Final = "cataract_fast.txt"
TREES: Final = 300
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
    rows, labels = encoder.rows(place, "train")
    weight = np.where(labels == 1, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    data = lightgbm.Dataset(rows, labels, weight=weight)
    booster = lightgbm.train(SETTINGS | {"seed": place.seed}, data, max(1, round(TREES * budget.scale)))
    scale, offset = calibrate(booster, *encoder.rows(place, "validation"))
    log.info("%d rows, scale %.2f, offset %.2f", len(rows), scale, offset)
    (place.out / FILE).write_text(booster.model_to_string(), encoding="ascii")
    place.trained("cataract_fast", budget, ())


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
    place.note("cataract_fast", "cataract_fast", cataract_metrics(place, lambda images: chances(place, images)))
