"""Real heads with their skin and hair marked by hand, enlarged to canvases that paint goes on.

The people are some 45 pixels tall from chin to crown, so what is real here are shapes, shading, tones and
backgrounds; everything finer is painted, in all classes alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from training.augment import similarity
from training.data import Floats, Part, Pixels, as_pixels, decoded, only, pictures
from training.lesions import Colour, noise

HAIR, SKIN = 19, 41
"""Values of the masks."""
LEAST: Final = 220
"""Pixels of skin that a face must have."""
TONES: Final[tuple[Colour, ...]] = (
    (244, 214, 196), (233, 194, 166), (219, 172, 138), (196, 146, 108), (158, 108, 76), (118, 78, 56), (78, 51, 39),
)  # fmt: skip
"""Skin from the lightest to the darkest, sRGB."""
HAIRS: Final[tuple[Colour, ...]] = (
    (28, 24, 23), (48, 36, 29), (84, 58, 40), (128, 88, 56), (186, 146, 92), (138, 66, 40), (150, 148, 146),
)  # fmt: skip
"""Black to blond, red, grey."""


@dataclass(frozen=True, slots=True)
class Head:
    """A head cut out of its picture: RGB [h,w,3], masks [h,w] 0 or 255, the face's centre and half width in pixels."""

    image: Pixels
    skin: Pixels
    hair: Pixels
    centre: tuple[float, float]
    half: float


@dataclass(frozen=True, slots=True)
class Canvas:
    """A square picture being painted: RGB [S,S,3] 0..255, where skin and hair are [S,S] 0..1, and the face's place.

    `centre` and `half` (half width, half height) are shares of the side.
    """

    image: Floats
    skin: Floats
    hair: Floats
    centre: tuple[float, float]
    half: tuple[float, float]

    @property
    def size(self) -> int:
        """Side in pixels."""
        return len(self.image)

    def at(self, u: float, v: float) -> tuple[float, float]:
        """A place on the face (-1..1 to the right and down), as shares of the side."""
        return self.centre[0] + u * self.half[0], self.centre[1] + v * self.half[1]

    def painted(self, image: Floats) -> "Canvas":
        """The same with other pixels."""
        return replace(self, image=np.clip(image, 0, 255).astype(np.float32))


def heads(data: Path, part: Part) -> list[Head]:
    """The heads of one part of `people_ccp`; groups of ten consecutive shots are on one side."""
    items = only(pictures(data, "people_ccp"), part)
    found = []
    for item, image in zip(items, decoded(items), strict=True):
        labels = cv2.imread(str(item.path.with_name(item.path.stem + "_mask.png")), cv2.IMREAD_GRAYSCALE)
        head = head_of(image, as_pixels(labels))
        found += [head] if head else []
    return found


def head_of(image: Pixels, labels: Pixels) -> Head | None:
    """The topmost large piece of skin and what is about it; None where there is none near the top."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(as_pixels(labels == SKIN))
    large = [k for k in range(1, len(stats)) if stats[k, cv2.CC_STAT_AREA] >= LEAST]
    if not large:
        return None
    face = min(large, key=lambda k: stats[k, cv2.CC_STAT_TOP])
    top = int(stats[face, cv2.CC_STAT_TOP])
    widths = (pieces == face).sum(axis=1)[top : top + 24]
    half = float(np.percentile(widths, 80)) / 2
    if top > 0.35 * len(image) or not 6 <= half <= 30:
        return None
    rows, columns = np.nonzero(pieces[top : top + int(2.2 * half)] == face)
    x, y = float(columns.mean()), top + 1.15 * half if len(rows) else 0.0
    x0, y0 = max(0, int(x - 4 * half)), max(0, int(y - 4 * half))
    cut = np.s_[y0 : int(y + 4 * half), x0 : int(x + 4 * half)]
    skin, hair = (as_pixels((labels[cut] == value) * 255) for value in (SKIN, HAIR))
    return Head(image[cut], skin, hair, (x - x0, y - y0), half)


def canvas(rng: np.random.Generator, head: Head, size: int, reach: tuple[float, float]) -> Canvas:
    """The head turned a little, mirrored half the time, its face's half width `reach` (least, most) of the side."""
    share = float(rng.uniform(*reach))
    to = float(rng.normal(0.5, 0.04)) * size, float(rng.normal(0.5, 0.04)) * size
    matrix = similarity(head.centre, share * size / head.half, float(rng.normal(0, 8)), to)
    if rng.random() < 0.5:
        matrix = (np.array([[-1, 0, 2 * to[0]], [0, 1, 0], [0, 0, 1]]) @ np.vstack([matrix, [0, 0, 1]]))[:2]
    blur = 0.35 * share * size / head.half

    def moved(plane: Pixels) -> Floats:
        found = cv2.warpAffine(plane, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(cv2.GaussianBlur(found, (0, 0), blur), np.float32)

    def edged(mask: Pixels) -> Floats:
        return np.asarray(np.clip((moved(mask) / 255 - 0.35) / 0.3, 0, 1), np.float32)

    return Canvas(
        moved(head.image), edged(head.skin), edged(head.hair), (to[0] / size, to[1] / size), (share, 1.3 * share)
    )


def toned(rng: np.random.Generator, face: Canvas) -> Canvas:
    """Skin and hair of any tone, uneven as light and skin are; a third keeps its own tone."""
    image = face.image
    for mask, ramp in ((face.skin, TONES), (face.hair, HAIRS)):
        if float(mask.mean()) > 0.002 and rng.random() < 0.67:
            wanted = between(rng, ramp)
            own = np.tensordot(mask, image, 2) / mask.sum()
            contrast = float(np.clip(wanted.mean() / own.mean(), 0.5, 1.2))
            image = image + mask[..., None] * (wanted - own + (contrast - 1) * np.clip(image - own, -90, 60))
    grain = 1 + 0.03 * noise(rng, face.size, 0.1)
    fine = float(rng.uniform(0.01, 0.03)) * noise(rng, face.size, 0.006)
    return face.painted(image * (grain + fine * face.skin)[..., None])


def between(rng: np.random.Generator, ramp: Sequence[Colour]) -> Floats:
    """A colour somewhere on a ramp, a little off it."""
    place = float(rng.uniform(0, len(ramp) - 1))
    low = int(place)
    mixed = np.array(ramp[low]) * (1 - place + low) + np.array(ramp[low + 1]) * (place - low)
    return np.asarray(mixed * (1 + rng.normal(0, 0.05)) + rng.normal(0, 3, 3), np.float32)


def pick(rng: np.random.Generator, items: Sequence[Head]) -> Head:
    """Any head, sharper ones more often."""
    sharp = np.array([item.half for item in items])
    return items[int(rng.choice(len(items), p=sharp / sharp.sum()))]
