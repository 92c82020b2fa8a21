"""What a cataract model scores, in the same words for the fast and the strong one: also without the borders."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from training.data import Floats, Pixels, decoded, everything, only
from training.evaluate import Metric, auc, expected_calibration_error
from training.eyes import LABELS, OTHER_EYES, Eyes, ellipse, eyes, middle
from training.eyes_plots import draw
from training.grouped import accuracy, balanced, grouped
from training.place import Place

Chance: TypeAlias = Callable[[list[Pixels]], Floats]
"""Pictures to the chance of cataract [N]."""


def cataract_metrics(place: Place, name: str, chance: Chance) -> list[Metric]:
    """Accuracy and its parts on the test part, then with borders cut off or painted over, then on another set if it is there.

    Draws the confusion matrix and the ROC curve of the model `name`, too.
    """
    asked = eyes(place.data, "test")
    chances = chance(asked.images)
    found = plain(asked, chances)
    area = next(one for one in found if one.name == "AUROC")
    draw(place.out, name, chances, asked.cataract.astype(bool), area, LABELS)
    for form, images in without_borders(asked).items():
        right = (chance(images) >= 0.5) == asked.cataract
        found.append(grouped(f"accuracy, {form}", asked.groups, accuracy(right), "test part"))
    if not (place.data / OTHER_EYES).is_dir():
        return found
    others = only(everything(place.data, [OTHER_EYES]), "test")
    alarms = chance(decoded(others, 256)) >= 0.5
    found.append(Metric.mean("called cataract in another set of eyes", alarms, f"{OTHER_EYES}, test part, no cataract"))
    return found


def plain(asked: Eyes, chances: Floats) -> list[Metric]:
    """Accuracy, precision, recall (`cataracts found`), specificity, F1, area, calibration, with intervals over groups."""
    yes, said = asked.cataract.astype(bool), chances >= 0.5
    right = said == yes
    sure = np.maximum(chances, 1 - chances)

    def share(of: np.ndarray) -> Callable[[np.ndarray], float]:
        return lambda chosen: float(right[chosen][of[chosen]].mean()) if of[chosen].any() else float("nan")

    def harmonic(chosen: np.ndarray) -> float:
        named = float(said[chosen].sum() + yes[chosen].sum())
        return 2 * float((said & yes)[chosen].sum()) / named if named else float("nan")

    def area(chosen: np.ndarray) -> float:
        return auc(chances[chosen], list(yes[chosen])) if 0 < yes[chosen].mean() < 1 else float("nan")

    def error(chosen: np.ndarray) -> float:
        return expected_calibration_error(sure[chosen], right[chosen].astype(np.float32))

    statistics = {
        "accuracy": accuracy(right),
        "balanced accuracy": balanced(right, yes),
        "precision": share(said),
        "cataracts found": share(yes),
        "F1": harmonic,
        "normal eyes passed": share(~yes),
        "AUROC": area,
        "calibration error": error,
    }
    return [grouped(name, asked.groups, statistic, "test part") for name, statistic in statistics.items()]


def without_borders(asked: Eyes) -> dict[str, list[Pixels]]:
    """The same eyes cut to their middle, and with everything outside an ellipse painted grey."""
    return {
        "only the middle of the picture": [middle(image) for image in asked.images],
        "corners and borders painted grey": [ellipse(image, 0.85, inside=False) for image in asked.images],
    }
