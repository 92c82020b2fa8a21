"""Eyes, ear bases, mouth and nose: judged under the labelled box, and on pictures without a cat."""

from collections.abc import Container, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from training import slices
from training.cases import Case, key_of
from training.data import Floats, Picture, Pixels, only, pictures, without_cats
from training.faces import Face, face_of
from training.heads import place as placed
from training.judges import marks
from training.place import Place
from training.recipes.landmarks import GOOD

CURVE: Final = "confidence that the points are within 10 % on average; pictures without a cat count as not"
RIGHT: Final = "all six points lie within 10 % of the head's side of the machine-made ones; without a cat the confidence is below 0.5"
SURE: Final = 0.5


def cases(place: Place, name: str, _note: Mapping[str, Any], wanted: Container[str] | None = None) -> Sequence[Case]:
    """Labelled faces, then pictures without a cat (the largest square in their middle)."""
    rows = only(pictures(place.data, "cat_face_landmarks_pseudo"), "test")
    items: list[tuple[Picture, Face | None]] = [(row, face_of(row)) for row in rows]
    items += [(picture, None) for picture in without_cats(place.data, "test")]
    items = [item for item in items if wanted is None or key_of(item[0]) in wanted]
    if not items:
        return []
    images = [picture.pixels() for picture, _ in items]
    boxes = [box(image, face) for image, (_, face) in zip(images, items, strict=True)]
    points, sure = placed(place.out / f"{name}.onnx", images, boxes)
    return [case(*item, image, *found) for item, image, *found in zip(items, images, points, sure, strict=True)]


def box(image: Pixels, face: Face | None) -> Floats:
    """Centre and sides of what is cropped."""
    if face is not None:
        return np.array([*face.centre, face.side, face.side], np.float32)
    height, width = image.shape[:2]
    return np.array([width / 2, height / 2, *[min(width, height)] * 2], np.float32)


def case(*given: Any) -> Case:
    """One face or picture (picture, face, pixels, points, confidence), judged."""
    picture, face, image, points, sure = given
    away = np.full(6, np.inf) if face is None else np.linalg.norm(points - face.points, axis=1) / face.side
    right = bool((away < GOOD).all()) if face else bool(sure < SURE)
    figures = {"six points within 10 %": float((away < GOOD).mean()), "mean error / head side": float(away.mean())}
    return Case(
        key=key_of(picture),
        kind=kind(away, right, face),
        right=right,
        figures=figures if face else {"confidence >= 0.5 without a face": float(not right)},
        traits=slices.of_face(face, image) if face else slices.of_picture(picture),
        unit=key_of(picture),
        draw=partial(shown, picture, face, points),
        says=f"confidence {sure:.2f}" + (f", worst point off by {100 * away.max():.0f} % of the head" if face else ""),
        chances=np.array([sure], np.float32),
        hits=np.array([away.mean() < GOOD], np.float32),
    )


def kind(away: Any, right: bool, face: Face | None) -> str:
    """What happened."""
    if face is None:
        return "not confident where no cat is" if right else "confident where no cat is"
    if right:
        return "six points placed"
    return "an ear base off" if (away[[0, 1, 4, 5]] < GOOD).all() else "an eye, the mouth or the nose off"


def shown(picture: Picture, face: Face | None, points: Floats) -> Pixels:
    """Labelled points and found ones."""
    return marks.points(picture.pixels(), None if face is None else face.points, points)
