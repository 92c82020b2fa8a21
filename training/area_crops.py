"""What the area classifiers look at: crops of real faces, painted when 'abnormal'; or a user's own crops."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np

from training import augment, lesions
from training.crops import AREA_LABELS, AREAS, CROP_SCALE, KIND, area_crop
from training.data import Part, Pixels, as_pixels, decoded, only, pictures
from training.faces import Face, face_of
from training.folder import labelled, own
from training.place import Place

LEAST_EYES: Final = 24.0
"""Faces whose eyes are nearer than this many pixels are too coarse to learn from."""


class Material(Protocol):
    """Crops of one part."""

    per: int
    """Crops in a row of `exam` that hang together."""
    on: str
    """What a score on them is a score on."""

    def crop(self, rng: np.random.Generator, area: str, abnormal: bool, size: int) -> Pixels:
        """One for training, changed at random."""

    def exam(self, area: str, size: int) -> tuple[list[Pixels], list[int]]:
        """Crops and labels (1 abnormal) to score on, the same ones each time."""


def material(place: Place, part: Part) -> Material:
    """Of our faces, or of a user's folder."""
    return Own(place, part) if own(place.data) else Painted(subjects(place, part))


class Own:
    """A user's crops: `AREA/normal/x.jpg`, `AREA/abnormal/y.jpg`, or a table in each area's folder."""

    per, on = 1, "test part of own pictures"

    def __init__(self, place: Place, part: Part) -> None:
        """Decode all crops of one part."""
        self.crops: dict[tuple[str, str], list[Pixels]] = {}
        for area in AREAS:
            items = only(labelled(place.data / area, AREA_LABELS), part)
            for label in AREA_LABELS:
                self.crops[area, label] = decoded(item for item in items if item.row["label"] == label)

    def crop(self, rng: np.random.Generator, area: str, abnormal: bool, size: int) -> Pixels:
        """One of the area, or the mirror image of one of the area on the other side, moved and turned a little."""
        flip = bool(rng.random() < 0.5)
        images = self.crops[other_side(area) if flip else area, AREA_LABELS[abnormal]]
        image = augment.squash(images[int(rng.integers(len(images)))], size)
        dx, dy = rng.normal(0, 0.04, 2) * size
        scale, middle = float(np.exp(rng.normal(0, 0.1))), (size / 2, size / 2)
        matrix = augment.similarity(middle, scale, float(rng.normal(0, 8)), (size / 2 + dx, size / 2 + dy))
        moved = augment.warp(image, matrix, size)
        return augment.colour(rng, as_pixels(np.ascontiguousarray(moved[:, ::-1])) if flip else moved, 0.8)

    def exam(self, area: str, size: int) -> tuple[list[Pixels], list[int]]:
        """Every crop once."""
        pairs = [(image, k) for k, label in enumerate(AREA_LABELS) for image in self.crops[area, label]]
        return [augment.squash(image, size) for image, _ in pairs], [label for _, label in pairs]


def other_side(area: str) -> str:
    """What an area is called in the mirror."""
    if area == "mouth":
        return area
    return {"left": "right", "right": "left"}[area.partition("_")[0]] + "_" + KIND[area]


@dataclass(frozen=True, slots=True)
class Subject:
    """A face and its picture."""

    face: Face
    image: Pixels


class Painted:
    """Crops of faces; 'normal' ones are real, 'abnormal' ones are painted (`training.lesions`)."""

    per, on = 4, "test part, painted lesions, by face"

    def __init__(self, items: Sequence[Subject]) -> None:
        """Of these faces, larger ones more often."""
        self.items = items
        reach = np.array([subject.face.eye_distance for subject in items]) ** 0.5
        self.share = reach / reach.sum()

    def crop(self, rng: np.random.Generator, area: str, abnormal: bool, size: int) -> Pixels:
        """Of some face."""
        return example(rng, self.items[int(rng.choice(len(self.items), p=self.share))], area, abnormal, size)

    def exam(self, area: str, size: int) -> tuple[list[Pixels], list[int]]:
        """Each face twice normal and twice painted."""
        rng, turns = np.random.default_rng(11), range(self.per)
        crops = [example(rng, subject, area, turn % 2 == 1, size) for subject in self.items for turn in turns]
        return crops, [turn % 2 for _ in self.items for turn in turns]


def subjects(place: Place, part: Part) -> list[Subject]:
    """Faces of one part that are large enough."""
    faces = [face_of(item) for item in only(pictures(place.data, "cat_face_landmarks_pseudo"), part)]
    large = [face for face in faces if face.eye_distance >= LEAST_EYES]
    images = decoded(face.picture for face in large)
    return [Subject(face, image) for face, image in zip(large, images, strict=True)]


def example(rng: np.random.Generator, subject: Subject, area: str, abnormal: bool, size: int) -> Pixels:
    """A crop as the head of `area` sees it, painted if `abnormal`, at the picture's own coarseness.

    The paint is drawn on the enlarged crop, then everything is reduced to the stored resolution
    and enlarged again, so that sharp paint on soft fur cannot give the answer away.
    """
    flip = rng.random() < 0.5
    source = other_side(area) if flip else area
    crop = area_crop(subject.image, subject.face.points, source, size, rng)
    crop = as_pixels(np.ascontiguousarray(crop[:, ::-1])) if flip else crop
    if rng.random() < 0.35:
        crop = lesions.harmless(rng, crop)
    if abnormal:
        crop = lesions.spoil(rng, crop, KIND[area])
    own = int(CROP_SCALE[KIND[area]] * subject.face.eye_distance * float(rng.uniform(0.7, 1.3)))
    if own < size:
        small = cv2.resize(crop, (max(own, 16),) * 2, interpolation=cv2.INTER_AREA)
        crop = as_pixels(cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR))
    return augment.colour(rng, crop, 0.8)
