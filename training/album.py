"""Cats and everything else by kind, with pixels and masks: of our sets, or of a user's folder."""

from dataclasses import dataclass
from typing import Final

from training.crops import BREEDS
from training.data import (
    WITH_NEGATIVES,
    Part,
    Picture,
    Pixels,
    animal_masks,
    decoded,
    everything,
    feline,
    only,
    read_mask,
)
from training.folder import OWN, labelled, own
from training.place import Place

OTHERS: Final = ("dog", "person", "thing", "clothes", "wild")
"""Kinds that have pictures of their own."""


@dataclass(frozen=True, slots=True)
class Example:
    """A picture with its kind and, rarely, its breed (-1 when unknown)."""

    picture: Picture
    kind: str
    breed: int


@dataclass(frozen=True, slots=True)
class Album:
    """Examples with their pixels, which of them are of which kind, and masks by example."""

    items: list[Example]
    images: list[Pixels]
    of_kind: dict[str, list[int]]
    bred: list[int]
    masks: dict[int, Pixels]


def kind_of(picture: Picture) -> str:
    """cat, wild, dog, person, clothes or thing."""
    row = picture.row
    if picture.dataset == OWN:
        return "thing" if row["label"] == "not_cat" else row["label"]
    if row.get("is_wild_felid") == "1":
        return "wild"
    if feline(picture) or picture.dataset in {"cat_face_landmarks_pseudo", "cats_maxogden_bsd"}:
        return "cat"
    if row.get("label") == "dog":
        return "dog"
    if picture.dataset == "people_ccp" or row.get("category", "").startswith("Faces"):
        return "person"
    return "clothes" if picture.dataset == "noncat_clothing_cc0" else "thing"


def breed_of(picture: Picture) -> int:
    """Index into `BREEDS`, or -1."""
    name = picture.row.get("breed", "").lower().replace(" ", "_")
    return BREEDS.index(name) if name in BREEDS else -1


def examples(place: Place, part: Part) -> list[Example]:
    """All pictures of one part, cats and others, of our sets or a user's folder."""
    sets = ("cat_face_landmarks_pseudo", "cats_maxogden_bsd", *WITH_NEGATIVES)
    found = labelled(place.data, ("cat", "not_cat"), OTHERS) if own(place.data) else everything(place.data, sets)
    return [Example(item, kind_of(item), breed_of(item)) for item in only(found, part)]


def album(place: Place, part: Part) -> Album:
    """The examples of one part, decoded."""
    items = examples(place, part)
    kinds = {item.kind for item in items}
    of_kind = {kind: [k for k, item in enumerate(items) if item.kind == kind] for kind in kinds}
    number = {item.picture.path: k for k, item in enumerate(items)}
    known = [] if own(place.data) else animal_masks(place.data, part)
    masks = {number[path]: read_mask(mask) for path, mask in known if path in number}
    bred = [k for k in of_kind["cat"] if items[k].breed >= 0]
    return Album(items, decoded([item.picture for item in items], 256), of_kind, bred, masks)
