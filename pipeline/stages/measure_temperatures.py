"""How warm is what the picture shows? Only where the camera left its sensor's counts beside the picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from pipeline.errors import InputError, NotRadiometric, RadiometryUnreadable
from pipeline.imaging.radiometry import ZERO_C, Camera, agreement, celsius, read
from pipeline.numbers import rounded
from pipeline.stage import File, Json, Models, Stage, StageAnswer, StageInput, StageOutput, each

if TYPE_CHECKING:
    from pipeline.imaging.radiometry import Floats

ARTIFACT: Final = "celsius"
_DIGITS: Final = 2
"""Of temperatures: a camera's noise is some hundredths of a degree."""


@dataclass(frozen=True, kw_only=True)
class MeasureTemperatures(Stage):
    """A picture without temperatures is an answer with a code, and no number.

    ``options`` are those of the scan that change the answer: ``emissivity``, 0.01 to 1, in place of the camera's. Places
    are told only where temperatures explain at least ``aligned`` of the picture's colours: it may show a part of the plane.
    """

    kind: ClassVar = "measure_temperatures"
    deadline_s: ClassVar = 600.0
    """As of ``decode_image``: sixteen pictures, each in a child of its own."""

    needs: tuple[str, ...] = ("fetch_input", "decode_image")
    optional: tuple[str, ...] = ("detect_anomalies",)
    options: tuple[str, ...] = ("emissivity",)
    aligned: float = 0.4

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{code}`` and, where that is null, temperatures in °C and all that they rest on.

        ``{unit, min, max, mean, aligned, agreement, hottest, boxes, emissivity, emissivity_from, reflected_c,
        atmosphere_c, humidity, distance_m, transmission, range, outside, unmeasured, width, height}``: ``hottest`` in
        pixels of the canonical picture and ``boxes``, one per box of ``detect_anomalies``, are null unless ``aligned``.
        ``range`` is what the camera was set to measure, ``outside`` the share of the plane beyond it. Artifact
        ``celsius``: float32 [h,w] as NumPy's `.npy`, NaN where nothing was measured.
        """
        return each(lambda item: _answer(item, self.aligned), items)


def _answer(item: StageInput, aligned: float) -> StageOutput:
    try:
        found = read(item.needs["fetch_input"].content("original"))
    except NotRadiometric as error:
        return StageOutput({"code": error.code})
    except InputError:  # what a plane does to its child is no reason to refuse a picture that could be decoded
        return StageOutput({"code": RadiometryUnreadable.code})
    asked = item.options.get("emissivity")
    plane = celsius(found.counts, found.camera, asked)
    if np.isnan(plane).all():
        return StageOutput({"code": RadiometryUnreadable.code})
    agrees = agreement(plane, item.needs["decode_image"].picture("canonical"))
    data = {
        "code": None,
        "unit": "°C",
        **_summary(plane),
        "aligned": agrees >= aligned,
        "agreement": rounded(agrees, 4),
        **(_places(plane, item) if agrees >= aligned else {"hottest": None, "boxes": None}),
        **_scene(found.camera, asked),
        **_beyond(plane, found.camera),
        "width": plane.shape[1],
        "height": plane.shape[0],
    }
    return StageOutput(rounded(data), {ARTIFACT: File(_npy(plane), "application/octet-stream")})


def _places(plane: Floats, item: StageInput) -> dict[str, Json]:
    picture, odd = item.needs["decode_image"].data, item.answered("detect_anomalies")
    across, down = picture["width"] / plane.shape[1], picture["height"] / plane.shape[0]
    row, column = np.unravel_index(np.nanargmax(plane), plane.shape)
    return {
        "hottest": {"x": rounded((float(column) + 0.5) * across, 1), "y": rounded((float(row) + 0.5) * down, 1)},
        "boxes": [_of_box(plane, box, across, down) for box in (odd.data["boxes"] if odd else ())],
    }


def _summary(plane: Floats) -> dict[str, Json]:
    """Nulls where nothing of it was measured."""
    if np.isnan(plane).all():
        return {"min": None, "max": None, "mean": None}
    found = {"min": np.nanmin(plane), "max": np.nanmax(plane), "mean": np.nanmean(plane, dtype=np.float64)}
    return {name: rounded(float(value), _DIGITS) for name, value in found.items()}


def _of_box(plane: Floats, box: Mapping[str, Any], across: float, down: float) -> dict[str, Json]:
    """Of the part of the plane that the box touches, at least one place."""
    left, top = int(box["x"] / across), int(box["y"] / down)
    right = max(left + 1, int(np.ceil((box["x"] + box["width"]) / across)))
    bottom = max(top + 1, int(np.ceil((box["y"] + box["height"]) / down)))
    told = _summary(plane[top:bottom, left:right])
    return {"max": told["max"], "mean": told["mean"]}


def _scene(camera: Camera, asked: float | None) -> dict[str, Json]:
    return {
        "emissivity": rounded(camera.emissivity if asked is None else float(asked), 4),
        "emissivity_from": "camera" if asked is None else "request",
        "reflected_c": rounded(camera.reflected_k - ZERO_C, _DIGITS),
        "atmosphere_c": rounded(camera.atmosphere_k - ZERO_C, _DIGITS),
        "humidity": rounded(camera.humidity, 4),
        "distance_m": rounded(camera.distance_m, _DIGITS),
        "transmission": rounded(camera.transmission, 4),
    }


def _beyond(plane: Floats, camera: Camera) -> dict[str, Json]:
    low, high = camera.range_from_k - ZERO_C, camera.range_to_k - ZERO_C
    said = camera.range_to_k > 0
    return {
        "range": {"from": rounded(low, _DIGITS), "to": rounded(high, _DIGITS)} if said else None,
        "outside": float(((plane < low) | (plane > high)).mean()) if said else None,
        "unmeasured": float(np.isnan(plane).mean()),
    }


def _npy(plane: Floats) -> bytes:
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(plane, "<f4"), allow_pickle=False)
    return file.getvalue()
