"""A sheet of what a memory found strangest, least strange, and wrong, to be looked at before it is believed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from pipeline.imaging.anomaly_drawing import overlay
from pipeline.imaging.codec import encode_png
from pipeline.imaging.render import contact_sheet
from pipeline.stages.detect_anomalies import SHOWN
from training.anomaly_scores import Judged
from training.data import Picture, Pixels, as_pixels

EACH: Final = 4
"""Pictures in a row of each kind."""


def write(file: Path, items: Sequence[Picture], found: Judged, score: float, place: float) -> None:
    """`score` and `place`: the limits of pictures and of places. The picture itself stands above its map."""
    shown = [index for row in rows(found, score) for index in row]
    tiles = [(drawn(items[index], found, index, place), caption(items[index], found, index, score)) for index in shown]
    file.write_bytes(encode_png(contact_sheet(tiles, EACH)))


def rows(found: Judged, limit: float) -> list[list[int]]:
    """The strangest odd ones, the least strange odd ones, the strangest normal ones, and whatever is wrong beside these."""
    order = np.argsort(-found.scores, kind="stable")
    odd = [int(index) for index in order if found.odd[index]]
    good = [int(index) for index in order if not found.odd[index]]
    wrong = [int(index) for index in order if found.odd[index] != (found.scores[index] >= limit)]
    told = [odd[:EACH], odd[EACH:][-EACH:], good[:EACH]]
    seen = {index for row in told for index in row}
    return [*told, [index for index in wrong if index not in seen][: 2 * EACH]]


def drawn(item: Picture, found: Judged, index: int, limit: float) -> Pixels:
    """The picture, its true places outlined, over its map as it is served."""
    picture = item.pixels()
    heat = np.round(np.clip(found.maps[index] / (SHOWN * limit), 0, 1) * 255).astype(np.uint8)
    mapped = overlay(picture, heat, SHOWN)
    scale = mapped.shape[0] / picture.shape[0]
    above = as_pixels(cv2.resize(picture, None, fx=scale, fy=scale))
    if (mask := found.masks[index]) is not None:
        whole = cv2.resize(mask.astype(np.uint8), above.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(whole, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        above = as_pixels(cv2.drawContours(above.copy(), outlines, -1, (0, 220, 90), 4))
    beside = ((0, 0), (0, mapped.shape[1] - above.shape[1]), (0, 0))
    return as_pixels(np.vstack([np.pad(above, beside, constant_values=255), mapped]))


def caption(item: Picture, found: Judged, index: int, limit: float) -> str:
    """What it is, what was said of it."""
    right = bool(found.odd[index]) == bool(found.scores[index] >= limit)
    label = item.row.get("label") or item.row.get("class") or ("hot spot" if found.odd[index] else "no hot spot")
    return f"{'' if right else 'WRONG '}{label} {found.scores[index] / limit:.2f} limits"
