"""Is it a cat? Judged at the fixed threshold on whole, squashed pictures."""

from collections.abc import Container, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from training import augment, slices
from training.album import Example, examples
from training.cases import Case, key_of
from training.data import Pixels, animal_masks, read_mask
from training.faces import face_of
from training.judges import marks
from training.place import Place
from training.recipes.validator import THRESHOLD, answers

CURVE: Final = "chance of a cat (cats and others weigh the same; the source never seen is left out)"
RIGHT: Final = f"a cat is right at a chance of {THRESHOLD} or more, anything else below it"
UNSEEN: Final = "maxogden"


def cases(place: Place, name: str, _note: Mapping[str, Any], wanted: Container[str] | None = None) -> Sequence[Case]:
    """One for each picture of the test part."""
    items = [item for item in examples(place, "test") if wanted is None or key_of(item.picture) in wanted]
    chances, _ = answers(place.out / f"{name}.onnx", [item.picture for item in items])
    masks = dict(animal_masks(place.data, "test"))
    seen = [item.kind == "cat" for item in items if item.picture.group != UNSEEN]
    weights = {cat: 0.5 * len(seen) / max(seen.count(cat), 1) for cat in (True, False)}
    return [
        case(item, float(chance), masks.get(item.picture.path), weights[item.kind == "cat"])
        for item, chance in zip(items, chances, strict=True)
    ]


def case(item: Example, chance: float, mask: Path | None, weight: float) -> Case:
    """One picture, judged."""
    cat, said = item.kind == "cat", chance >= THRESHOLD
    counted = item.picture.group != UNSEEN
    return Case(
        key=key_of(item.picture),
        kind=kind(item, said),
        right=cat == said,
        figures={figure(cat, counted): float(cat == said)},
        traits=traits(item, mask),
        unit=key_of(item.picture),
        draw=partial(shown, item),
        says=f"{'cat' if cat else item.kind}: chance of a cat {chance:.2f}",
        chances=np.array([chance] if counted else [], np.float32),
        hits=np.array([cat] if counted else [], np.float32),
        weight=weight,
    )


def figure(cat: bool, counted: bool) -> str:
    """Which figure of the recipe's this picture counts in; the source never seen is a whole of its own."""
    if not cat:
        return "others rejected"
    return "cats accepted" if counted else "cats accepted, source never seen"


def kind(item: Example, said: bool) -> str:
    """What happened."""
    what = "cat of the source never seen" if item.kind == "cat" and item.picture.group == UNSEEN else item.kind
    if item.kind == "cat":
        return f"{what} accepted" if said else f"{what} turned away"
    return f"{what} taken for a cat" if said else f"{what} turned away, rightly"


def traits(item: Example, mask: Path | None) -> dict[str, str]:
    """Slices of a picture; of the animal's fur and head only where they are labelled."""
    if item.kind != "cat":
        return slices.of_picture(item.picture)
    image = item.picture.pixels()
    animal = None if mask is None else augment.resized_mask(read_mask(mask), image)
    if item.picture.dataset == "cat_face_landmarks_pseudo":
        return slices.of_face(face_of(item.picture), image, animal)
    found = slices.of_picture(item.picture)
    return found if animal is None else found | {"fur": slices.fur(image, animal)}


def shown(item: Example) -> Pixels:
    """The picture as it is."""
    return marks.fitted(item.picture.pixels())[0]
