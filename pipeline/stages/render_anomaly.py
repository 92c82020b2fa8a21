"""Pictures for people of what is odd, and a mask of it for programs."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pipeline.imaging.anomaly_drawing import bounded, filtered, grown_mask, overlay
from pipeline.stage import Models, Need, Picture, Stage, StageAnswer, StageInput, StageOutput, each


@dataclass(frozen=True, kw_only=True)
class RenderAnomaly(Stage):
    """Nothing is measured here: map, mask and boxes are those of ``detect_anomalies``."""

    kind: ClassVar = "render_anomaly"

    needs: tuple[str, ...] = ("decode_image", "detect_anomalies")

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{}`` and four artifacts.

        ``mask`` (PNG, 0 and 255, the canonical picture's size), ``overlay`` (the map over the grey picture, with a colour
        bar), ``filtered`` (colours only where it is odd), ``bounded`` (boxes with type and confidence); JPEG. With the
        temperatures of ``measure_temperatures`` the overlay's greys are those, with a bar in °C, and boxes tell theirs.
        """
        return each(_answer, items)


def _answer(item: StageInput) -> StageOutput:
    picture, found = item.needs["decode_image"].picture("canonical"), item.needs["detect_anomalies"]
    mask = found.picture("anomaly_mask")
    heat, shown_to = found.picture("anomaly_map"), float(found.data["map"]["shown_to"])
    plane, warmest = _temperatures(item.answered("measure_temperatures"))
    drawn = {
        "mask": Picture(grown_mask(mask, picture)),
        "overlay": Picture(overlay(picture, heat, shown_to, plane), lossless=False),
        "filtered": Picture(filtered(picture, mask), lossless=False),
        "bounded": Picture(bounded(picture, found.data["boxes"], warmest), lossless=False),
    }
    return StageOutput({}, drawn)


def _temperatures(warm: Need | None) -> tuple[Any, Sequence[Mapping[str, Any]]]:
    """The plane in °C and what is told of each box; None and nothing where it is not known what is where."""
    if warm is None or not warm.data.get("aligned"):
        return None, ()
    return np.load(io.BytesIO(warm.content("celsius")), allow_pickle=False), warm.data["boxes"]
