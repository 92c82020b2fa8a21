"""Where is the cat's head? Judged at the fixed threshold on labelled heads and on pictures without a cat."""

from collections.abc import Container, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from training import slices
from training.cases import Case, key_of
from training.data import Floats, Picture, Pixels, without_cats
from training.faces import Face
from training.heads import Detection, detect, tally
from training.judges import marks
from training.place import Place
from training.recipes.detector import THRESHOLD, labelled_faces

CURVE: Final = "score of a box (not trained to be a chance: it learns the overlap)"
RIGHT: Final = (
    f"a head is found when a box of score {THRESHOLD} or more overlaps it by half (IoU); more boxes beside it are not held "
    "against it, since second cats are not labelled. Without a cat no box may reach that score"
)
BLOCK: Final = 64


def cases(place: Place, name: str, _note: Mapping[str, Any], wanted: Container[str] | None = None) -> Sequence[Case]:
    """Pictures with a labelled head, then those without a cat."""
    labelled: list[tuple[Picture, Face | None]] = [(face.picture, face) for face in labelled_faces(place, "test")]
    labelled += [(picture, None) for picture in without_cats(place.data, "test")]
    items = [item for item in labelled if wanted is None or key_of(item[0]) in wanted]
    found: list[list[Detection]] = []
    for first in range(0, len(items), BLOCK):
        found += detect(place.out / f"{name}.onnx", [picture.pixels() for picture, _ in items[first : first + BLOCK]])
    return [case(picture, face, heads) for (picture, face), heads in zip(items, found, strict=True)]


def case(picture: Picture, face: Face | None, heads: list[Detection]) -> Case:
    """One picture, judged."""
    hits = tally(heads, face).hits
    strong = [head for head in heads if head.score >= THRESHOLD]
    best = max((head.score for head in heads), default=0.0)
    found = any(hit and head.score >= THRESHOLD for hit, head in zip(hits, heads, strict=True))
    right = found if face else not strong
    return Case(
        key=key_of(picture),
        kind=kind(face is not None, found, len(strong)),
        right=right,
        figures={"recall at the threshold": float(right)}
        if face
        else {"pictures with a false alarm": float(not right)},
        traits=slices.of_face(face, picture.pixels()) if face else slices.of_picture(picture),
        unit=key_of(picture),
        draw=partial(shown, picture, face, strong),
        says=f"{len(strong)} {'box' if len(strong) == 1 else 'boxes'}, best score {best:.2f}",
        chances=np.array([head.score for head in heads], np.float32),
        hits=np.array(hits, np.float32),
    )


def kind(labelled: bool, found: bool, boxes: int) -> str:
    """What happened."""
    if not labelled:
        return "box where no cat is" if boxes else "nothing found where no cat is"
    if not found:
        return "head missed, a box elsewhere" if boxes else "head missed"
    return "head found" if boxes == 1 else "head found, and another box"


def shown(picture: Picture, face: Face | None, heads: list[Detection]) -> Pixels:
    """Label and boxes."""
    truths: list[Floats] = [] if face is None else [np.array([*face.centre, face.side, face.side], np.float32)]
    return marks.boxes(picture.pixels(), truths, [head.box for head in heads])
