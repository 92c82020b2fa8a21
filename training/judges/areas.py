"""Does an area look normal? Judged on crops of which half were painted."""

from collections.abc import Container, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from pipeline.imaging.render import overlay_heat
from training import augment, served, slices
from training.area_crops import Painted, Subject, subjects
from training.cases import Case, key_of
from training.data import Floats, Pixels
from training.judges import marks
from training.place import Place
from training.recipes.areas import SIZE

CURVE: Final = "chance of the label that was given, after the temperature"
RIGHT: Final = "the likelier label is the true one: painted crops are abnormal, crops as they were photographed normal"
TURNS: Final = Painted.per
"""Crops of a face: normal, painted, normal, painted."""
NAMES: Final = ("normal", "painted")


def cases(place: Place, name: str, note: Mapping[str, Any], wanted: Container[str] | None = None) -> Sequence[Case]:
    """Four crops of each face; all are drawn, since one draw depends on those before it."""
    area, items = name.removeprefix("cat_"), subjects(place, "test")
    crops, labels = Painted(items).exam(area, SIZE)
    keys = [key_of(subject.face.picture, turn) for subject in items for turn in range(TURNS)]
    chosen = [k for k, key in enumerate(keys) if wanted is None or key in wanted]
    if not chosen:
        return []
    outputs = (f"{area}_logits", f"{area}_cam")
    logits, maps = served.run(place.out / "cat_areas.onnx", augment.unit([crops[k] for k in chosen]), outputs)
    margins = (logits[:, 1] - logits[:, 0]) / note["temperature"]
    traits = {k: slices.of_face(items[k].face, items[k].image) for k in {k // TURNS for k in chosen}}
    return [
        case(items[k // TURNS], keys[k], crops[k], bool(labels[k]), float(margin), cam, traits[k // TURNS])
        for k, margin, cam in zip(chosen, margins, maps, strict=True)
    ]


def case(
    subject: Subject, key: str, crop: Pixels, sick: bool, margin: float, cam: Floats, traits: Mapping[str, str]
) -> Case:
    """One crop, judged."""
    right = (margin > 0) == sick
    shown = f"{NAMES[sick]} crop"
    chance = 1 / (1 + np.exp(-abs(margin)))
    said = "abnormal" if margin > 0 else "normal"
    return Case(
        key=key,
        kind=f"{shown} called {said}",
        right=right,
        figures={"accuracy, painted": float(right)},
        traits={**traits, "shown": shown},
        unit=key_of(subject.face.picture),
        draw=partial(drawn, crop, cam, margin),
        says=f"{shown}: {said}, {chance:.2f}",
        chances=np.array([chance], np.float32),
        hits=np.array([right], np.float32),
    )


def drawn(crop: Pixels, cam: Floats, margin: float) -> Pixels:
    """The crop, and beside it where the network saw its answer."""
    heat = np.maximum(cam if margin > 0 else -cam, 0)
    return marks.beside(crop, overlay_heat(crop, heat))
