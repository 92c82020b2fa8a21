"""What is in front? People against hand-made masks, animals against machine-made ones."""

from collections.abc import Container, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from training import augment, served, slices
from training.cases import Case, key_of
from training.data import Floats, Picture, Pixels, animal_masks, everything, read_mask
from training.evaluate import mask_iou
from training.judges import marks
from training.place import Place
from training.recipes.matte import SIZE, normalised, people, person_mask

CURVE: Final = "alpha of a pixel (400 spread evenly over each picture); of animals the truth is machine-made"
GOOD: Final = 0.75
RIGHT: Final = f"the mask overlaps the true one by {GOOD} (IoU) at alpha 0.5"
BLOCK: Final = 32
PIXELS: Final = 20
"""Rows and columns that are looked at for the curve."""


def cases(place: Place, name: str, _note: Mapping[str, Any], wanted: Container[str] | None = None) -> Sequence[Case]:
    """People, then animals."""
    items = [item for item in labelled(place.data) if wanted is None or key_of(item[0]) in wanted]
    found = []
    for first in range(0, len(items), BLOCK):
        block = [(picture, picture.pixels(), mask) for picture, mask in items[first : first + BLOCK]]
        inputs = np.stack([normalised(augment.squash(image, SIZE)) for _, image, _ in block])
        (alphas,) = served.run(place.out / f"{name}.onnx", inputs, ("mask",))
        found += [case(*given, alpha[:, :, 0]) for given, alpha in zip(block, alphas, strict=True)]
    return found


def labelled(data: Path) -> Iterator[tuple[Picture, Path | None]]:
    """Pictures of the test part; a person's mask lies beside the picture."""
    yield from ((picture, None) for picture in people(data, "test"))
    known = {item.path: item for item in everything(data, ("cat_face_landmarks_pseudo", "cats_dogs"))}
    yield from ((known[path], mask) for path, mask in animal_masks(data, "test"))


def truth(picture: Picture, mask: Path | None) -> Pixels:
    """[H,W], 0 or 255."""
    return person_mask(picture) if mask is None else read_mask(mask)


def case(picture: Picture, image: Pixels, mask: Path | None, alpha: Floats) -> Case:
    """One picture, judged at its mask's own size."""
    true = truth(picture, mask)
    full = np.asarray(cv2.resize(alpha, (true.shape[1], true.shape[0]), interpolation=cv2.INTER_LINEAR))
    who, overlap = "people" if mask is None else "animals", mask_iou(full, true / 255)
    rows, columns = (np.linspace(0, size - 1, PIXELS).astype(int) for size in true.shape)
    spread = np.ix_(rows, columns)
    traits = slices.of_picture(picture) | {
        "subject's share": slices.limits(float((true > 127).mean()), (0.2, 0.4), digits=1)
    }
    if mask is not None:
        traits["fur"] = slices.fur(image, augment.resized_mask(true, image))
    return Case(
        key=key_of(picture),
        kind=f"{who}: {'overlap' if overlap >= GOOD else 'no overlap'} of {GOOD}",
        right=overlap >= GOOD,
        figures={f"IoU, {who}": overlap},
        traits=traits,
        unit=key_of(picture),
        draw=partial(shown, picture, mask, alpha),
        says=f"IoU {overlap:.2f}",
        chances=full[spread].ravel().astype(np.float32),
        hits=(true[spread] > 127).ravel().astype(np.float32),
    )


def shown(picture: Picture, mask: Path | None, alpha: Floats) -> Pixels:
    """What is kept, and both outlines."""
    return marks.mask(picture.pixels(), truth(picture, mask), alpha)
