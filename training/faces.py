"""Cat faces as labelled: the head box, the six points, and the true points kept for scoring."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from training.data import Floats, Picture

POINTS: Final = ("left_eye", "right_eye", "left_ear", "right_ear", "mouth", "nose")
"""Order of every [6,2] array; left means left in the picture."""
FLIPPED: Final = (1, 0, 3, 2, 4, 5)
"""Where each point comes from once the picture is mirrored."""
HEAD_SCALE: Final = 1.3
HEAD_RISE: Final = 0.07
"""The labelled square runs from forehead to chin: widen it, then lift it by a share of its side."""
MOUTH_BELOW_NOSE: Final = 0.4
"""The mouth lies this share of the way from the nose to the chin; no set labels it."""


@dataclass(frozen=True, slots=True)
class Face:
    """A labelled face, in pixels of the stored picture."""

    picture: Picture
    centre: tuple[float, float]
    side: float
    points: Floats
    weight: float
    """Trust in the machine-made points, about 0.2..1."""

    @property
    def eye_distance(self) -> float:
        """Pixels between the two eyes."""
        return float(np.hypot(*(self.points[0] - self.points[1])))


def face_of(picture: Picture) -> Face:
    """Read one row of `cat_face_landmarks_pseudo`."""
    row = picture.row
    x0, y0, x1, y1 = (float(row[f"box_{key}"]) for key in ("x0", "y0", "x1", "y1"))
    side = (x1 - x0 + y1 - y0) / 2
    centre = ((x0 + x1) / 2, (y0 + y1) / 2 - HEAD_RISE * side)
    weight = min(1.0, 0.1 / (float(row["uncertainty"]) + 0.05))
    return Face(picture, centre, side * HEAD_SCALE, six_points(row), weight)


def six_points(row: Mapping[str, str]) -> Floats:
    """Eyes, ear bases (midpoint of inner and outer base), mouth and nose: [6,2] pixels."""
    named = {name: labelled(row, name) for name in ("left_eye", "right_eye", "nose", "chin")}
    ears = {
        side: (labelled(row, f"{side}_ear_inner") + labelled(row, f"{side}_ear_outer")) / 2
        for side in ("left", "right")
    }
    mouth = named["nose"] + MOUTH_BELOW_NOSE * (named["chin"] - named["nose"])
    order = (named["left_eye"], named["right_eye"], ears["left"], ears["right"], mouth, named["nose"])
    return np.stack(order).astype(np.float32)


def labelled(row: Mapping[str, str], name: str) -> Floats:
    """One point of a row, [2] pixels."""
    return np.array([float(row[f"{name}_{axis}"]) for axis in "xy"], np.float32)


def true_points(file: Path) -> Floats:
    """Hand-made points of a `.cat` file as [5,2]: eyes, ear bases, mouth (it has no nose)."""
    numbers = np.array(file.read_text(encoding="ascii").split()[1:19], np.float32).reshape(9, 2)
    eyes, mouth = numbers[:2], numbers[2]
    left, right = (numbers[3] + numbers[5]) / 2, (numbers[6] + numbers[8]) / 2
    return np.stack([eyes[0], eyes[1], left, right, mouth]).astype(np.float32)
