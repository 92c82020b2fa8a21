"""Cataract or not, with a map: a straight line through the eye encoder's embedding, fitted anew on many views.

Needs `eye_encoder.onnx` in the same folder and writes `eyes.onnx`: the same network, whose file then gives gate, embedding,
logits and map in one pass. The body below was fine-tuned with the labels by the recipe `eyes`.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx

from training import served
from training.budget import Budget
from training.data import Floats, Pixels
from training.evaluate import Doubles, fit_temperature
from training.eyes import eyes
from training.eyes_scores import cataract_metrics
from training.fitting import log
from training.onnx_cam import CAM, LOGITS, add_cam_outputs
from training.onnx_edit import Edited
from training.place import Place
from training.recipes import eyes as encoder

FILE: Final = "eyes.onnx"
LEAST: Final = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Shares of shrinkage that are tried; the validation part chooses."""


def train(place: Place, budget: Budget) -> None:
    """Write `eyes.onnx`."""
    (rows, labels), (held, known) = encoder.rows(place, "train"), encoder.rows(place, "validation")
    lines = {shrink: logistic(rows, labels, shrink) for shrink in LEAST}
    shrink = min(lines, key=lambda one: cross(held @ lines[one][0] + lines[one][1], known))
    log.info("shrinkage %g", shrink)
    onnx.save(with_head(place.out / encoder.FILE, *lines[shrink]), str(place.out / FILE))
    place.trained("cataract_strong", budget, ())


def cross(margins: Doubles, labels: Floats) -> float:
    """Mean cross entropy of margins [N], as if half of all eyes had cataract."""
    weight = np.where(labels == 1, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    return float(np.mean(weight * (np.logaddexp(0, margins) - labels * margins)))


def logistic(rows: Floats, labels: Floats, shrink: float, rounds: int = 12) -> tuple[Doubles, float]:
    """Weights [F] and offset of the balanced logistic regression; `shrink` is per squared, standardised weight."""
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-3
    features = np.column_stack([(rows - mean) / scale, np.ones(len(rows))]).astype(np.float64)
    weight = np.where(labels == 1, 0.5 / labels.mean(), 0.5 / (1 - labels.mean())) / len(labels)
    penalty = np.append(np.full(rows.shape[1], shrink), 1e-6)
    line = np.zeros(features.shape[1])
    for _ in range(rounds):
        chance = 1 / (1 + np.exp(-np.clip(features @ line, -30, 30)))
        slope = features.T @ (weight * (chance - labels)) + penalty * line
        bend = (features * (weight * chance * (1 - chance))[:, None]).T @ features + np.diag(penalty)
        line = line - np.linalg.solve(bend, slope)
    weights = line[:-1] / scale
    return weights, float(line[-1] - weights @ mean)


def with_head(file: Path, weights: Doubles, offset: float) -> onnx.ModelProto:
    """The encoder's graph with logits (normal, cataract) and the map of each, [N,h,w,2], beside its own outputs."""
    edited = Edited(onnx.load(str(file)))
    kernel = np.stack([-weights / 2, weights / 2], axis=1)
    product = edited.add("MatMul", "embedding", edited.constant(kernel))
    edited.add("Add", product, edited.constant([-offset / 2, offset / 2]), named="logits")
    edited.output("logits", ["N", 2])
    made = add_cam_outputs(edited.model, "top_activation")
    if made is None:
        message = f"{file.name} does not end in a mean and a dense layer"
        raise ValueError(message)
    del made.graph.output[[value.name for value in made.graph.output].index("logits")]
    onnx.checker.check_model(made)
    return made


def logits_of(file: Path, images: list[Pixels]) -> Floats:
    """Logits [N,2] of whole pictures, as they are served."""
    return served.answers(file, images, encoder.SIZE, (LOGITS,))[0]


def score(place: Place) -> None:
    """Fit the temperature on the validation part; note the scores on the test part."""
    file, held = place.out / FILE, eyes(place.data, "validation")
    temperature = max(1.0, fit_temperature(logits_of(file, held.images), held.cataract))

    def chance(images: list[Pixels]) -> Any:
        logits = logits_of(file, images) / temperature
        return 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))

    place.note("cataract_strong", "cataract_strong", cataract_metrics(place, chance), temperature=temperature)


OUTPUTS: Final = {"logits": LOGITS, "cam": CAM}
"""Roles of a classifier to names in the file."""
