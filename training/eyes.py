"""Close-ups of human eyes: the pictures, their labels, and views that carry no borders of their own.

Half of the source's cataract pictures were turned on a white ground and many others have smeared edges, so the border
alone tells much. Views are cut tight or are given a border of any kind, whatever the label.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from training import augment
from training.data import Floats, Part, Picture, Pixels, as_pixels, decoded, only, pictures
from training.folder import labelled, own

CATARACT: Final = "human_eye_cataract"
OTHER_EYES: Final = "human_eye_conjunctivitis"
LABELS: Final = ("normal", "cataract")
FILLS: Final = (cv2.BORDER_CONSTANT, cv2.BORDER_CONSTANT, cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101)
"""How OpenCV fills what lies outside a picture; a constant twice, white or any grey."""
MIDDLE: Final = 0.6
"""Share of the sides that `middle` keeps: the eye without most of the borders that somebody's augmentation left."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """Pictures with pixels, group and label: 0 normal, 1 cataract."""

    images: list[Pixels]
    groups: list[str]
    cataract: Floats

    @classmethod
    def of(cls, items: Iterable[Picture]) -> "Eyes":
        """Decoded, shorter side at most 256."""
        kept = list(items)
        labels = np.array([label_of(item) == "cataract" for item in kept], np.float32)
        return cls(decoded(kept, 256), [item.group for item in kept], labels)

    def of_label(self, cataract: bool) -> list[int]:
        """Indices of the pictures with this label."""
        return [int(index) for index in np.flatnonzero(self.cataract == cataract)]


def eyes(data: Path, part: Part) -> Eyes:
    """One part of what `labelled_eyes` finds."""
    return Eyes.of(only(labelled_eyes(data), part))


def labelled_eyes(data: Path) -> Sequence[Picture]:
    """Of our cataract set, all pictures of one original size on one side; or of a user's own folder of both classes."""
    return labelled(data, LABELS) if own(data) else list(pictures(data, CATARACT))


def label_of(item: Picture) -> str:
    """`cataract` or `normal`, however a table writes it; anything else as it stands."""
    return item.row["label"].lower()


def view(rng: np.random.Generator, image: Pixels, size: int) -> Pixels:
    """The eye turned, moved, narrowed and mirrored at random; half of the views show a border, of any kind."""
    height, width = image.shape[:2]
    tight = rng.random() < 0.5
    side = rng.uniform(0.45, 0.8) if tight else rng.uniform(0.8, 1.15)
    scale = size / (side * np.array([width, height]) * np.exp(rng.uniform(-0.15, 0.15, 2)))
    angle = np.deg2rad(rng.normal(0, 12))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag(scale * np.where([rng.random() < 0.5, False], -1, 1))
    centre = np.array([width, height]) * (0.5 + rng.uniform(-0.07, 0.07, 2))
    matrix = np.column_stack([linear, size / 2 - linear @ centre]).astype(np.float32)
    fill = float(255 if rng.random() < 0.4 else rng.integers(0, 256))
    shrunk, matrix = reduced(image, matrix)
    made = cv2.warpAffine(
        shrunk,
        matrix,
        (size, size),
        borderMode=int(rng.choice(FILLS)),
        borderValue=(fill, fill, fill),
    )
    return augment.colour(rng, as_pixels(made), 1.2)


def reduced(image: Pixels, matrix: Floats) -> tuple[Pixels, Floats]:
    """A picture made smaller first where the matrix would skip pixels, and the matrix for it."""
    shrink = 2 * float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if shrink >= 1:
        return image, matrix
    small = as_pixels(cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA))
    return small, np.column_stack([matrix[:, :2] / shrink, matrix[:, 2]]).astype(np.float32)


def middle(image: Pixels, share: float = MIDDLE) -> Pixels:
    """The middle of a picture, `share` of each side."""
    height, width = image.shape[:2]
    y, x = int(height * (1 - share) / 2), int(width * (1 - share) / 2)
    return image[y : height - y, x : width - x]


def ellipse(image: Pixels, share: float, *, inside: bool) -> Pixels:
    """The picture with what lies inside (or outside) an ellipse of `share` of each side painted grey."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    axes = (int(width * share / 2), int(height * share / 2))
    cv2.ellipse(mask, (width // 2, height // 2), axes, 0, 0, 360, 1, -1)
    return np.where((mask == 1)[:, :, None] == inside, np.uint8(augment.GREY), image)


def rings(rng: np.random.Generator, image: Pixels, size: int) -> Pixels:
    """Round things that are no eye: a few discs in each other, of any colours, before a picture without an eye."""
    made = augment.random_view(rng, image, size, 0.3).copy()
    centre = tuple(int(place) for place in rng.uniform(0.3, 0.7, 2) * size)
    radius = float(rng.uniform(0.2, 0.48) * size)
    for _ in range(int(rng.integers(1, 5))):
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        cv2.circle(made, centre, max(1, int(radius)), colour, -1, cv2.LINE_AA)
        radius *= float(rng.uniform(0.3, 0.85))
    return as_pixels(cv2.GaussianBlur(made, (0, 0), float(rng.uniform(0.3, 2))))
