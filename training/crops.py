"""Names and the area crop rule, free of TensorFlow; the pipeline follows the same rule from the manifest.

An area's crop is a square centred on its point, side = `CROP_SCALE[kind]` x the distance between
the eyes, upright, grey outside the picture, resized to the network's input.
"""

from typing import Final

import numpy as np

from training import augment
from training.data import Floats, Pixels
from training.faces import POINTS

AREAS: Final = ("left_eye", "right_eye", "left_ear", "right_ear", "mouth")
KIND: Final = {area: area.rpartition("_")[2] for area in AREAS}
CROP_SCALE: Final = {"eye": 0.9, "ear": 1.4, "mouth": 1.2}
"""Side of the crop in distances between the eyes."""
AREA_LABELS: Final = ("normal", "abnormal")
BREEDS: Final = ("abyssinian", "american_bobtail", "american_curl", "american_shorthair", "american_wirehair")


def area_crop(image: Pixels, points: Floats, area: str, size: int, jitter: np.random.Generator | None = None) -> Pixels:
    """The crop of one area from points [6,2] in pixels; shifted, scaled and turned a little if `jitter`."""
    x, y = (float(value) for value in points[POINTS.index(area)])
    side = CROP_SCALE[KIND[area]] * float(np.hypot(*(points[0] - points[1])))
    degrees = 0.0
    if jitter is not None:
        dx, dy = jitter.normal(0, 0.06, 2) * side
        x, y, degrees = x + float(dx), y + float(dy), float(jitter.normal(0, 10))
        side *= float(np.exp(jitter.normal(0.0, 0.12)))
    matrix = augment.similarity((x, y), size / side, degrees, (size / 2, size / 2))
    return augment.warp(image, matrix, size)
