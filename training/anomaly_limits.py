"""From when on a distance is odd: said by normal pictures that a memory was not made of."""

from typing import Final

import numpy as np

from pipeline.imaging.anomaly_map import smooth
from training import patchcore
from training.data import Floats

NARROWEST: Final = 0.05
"""Of a limit that must lie between it and what is typical: a handful of pictures cannot show less."""


def limits(maps: Floats, scores: Floats) -> dict[str, float]:
    """Thresholds of the manifest, of normal pictures' maps [N,h,w] and scores [N] (`patchcore.scores`).

    `typical_score` and `score` are median and limit of the scores, `typical_place` and `place` those of the strangest
    place of each map, made smooth as it is in serving.
    """
    places = np.array([smooth(one).max() for one in maps], np.float32)
    return {**_pair("score", scores), **_pair("place", places)}


def _pair(name: str, values: Floats) -> dict[str, float]:
    limit = patchcore.threshold(values)
    typical = min(float(np.median(values)), (1 - NARROWEST) * limit)
    return {f"typical_{name}": round(typical, 4), name: round(limit, 4)}
