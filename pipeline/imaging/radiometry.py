"""Temperatures of a thermogram: a sensor's counts, turned into °C by Planck's law as its maker calibrated it.

What reaches the sensor, in counts, is the object's own radiation, what it reflects, the air's, and that of a window before
the lens, each weakened by what lies in its way::

    counts = ε τ w · object + (1 - ε) τ w · reflected + (1 - τ) w · air + (1 - w) · window
    counts of a black body at T kelvin = R1 / (R2 (exp(B / T) - F)) - O

The first line is the measurement formula of FLIR's user manuals (with external optics), the second how their cameras are
calibrated, and the air's transmission τ that of M. Vollmer and K.-P. Möllmann, Infrared Thermal Imaging (2nd ed. 2018),
and W. Minkina and S. Dudzik, Infrared Thermography: Errors and Uncertainties (2009), with the camera's own coefficients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from pipeline.errors import RadiometryUnreadable
from pipeline.imaging.decode import Decoder, doubting, own, told
from pipeline.imaging.flir import MOST_COUNTS

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.floating[Any]]
    Counts: TypeAlias = NDArray[np.uint16]
    Pixels: TypeAlias = NDArray[np.uint8]

ZERO_C: Final = 273.15
LEAST_EMISSIVITY: Final = 0.01
_COLDEST, _HOTTEST = 100.0, 3000.0
"""Kelvin that anything before a camera may have."""
_SOUND: Final = {
    "emissivity": (LEAST_EMISSIVITY, 1.0),
    "distance_m": (0.0, 10_000.0),
    "reflected_k": (_COLDEST, _HOTTEST),
    "atmosphere_k": (150.0, 400.0),
    "window_k": (_COLDEST, _HOTTEST),
    "window_transmission": (0.01, 1.0),
    "humidity": (0.0, 1.0),
    "r1": (1e-3, 1e9),
    "r2": (1e-9, 1e6),
    "b": (100.0, 10_000.0),
    "f": (1e-3, 1e3),
    "o": (-1e6, 1e6),
    "range_from_k": (0.0, _HOTTEST),
    "range_to_k": (0.0, _HOTTEST),
}
"""Number of a camera → between which it lies if it is one."""
_GRID: Final = (80, 60)
_STEPS: Final = 16
_UPRIGHT: Final[Mapping[int, Callable[[Any], Any]]] = {
    2: np.fliplr,
    3: lambda plane: np.rot90(plane, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda plane: np.rot90(plane, -1),
    7: lambda plane: np.rot90(plane, 2).T,
    8: np.rot90,
}
"""EXIF orientation → what turns a plane upright, as ``canonical`` turns its picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """How a camera was calibrated and what it was told of the scene. Temperatures in kelvin, the rest in 0..1 or counts.

    ``range_from_k`` and ``range_to_k`` are what it can measure in the range it was set to, 0 where it does not say. Raises
    ValueError for numbers that no camera has.
    """

    emissivity: float
    distance_m: float
    reflected_k: float
    atmosphere_k: float
    window_k: float
    window_transmission: float
    humidity: float
    r1: float
    r2: float
    b: float
    f: float
    o: float
    alpha1: float
    alpha2: float
    beta1: float
    beta2: float
    x: float
    range_from_k: float
    range_to_k: float

    def __post_init__(self) -> None:
        strange = [name for name, (low, high) in _SOUND.items() if not low <= getattr(self, name) <= high]
        if strange or self.range_from_k > self.range_to_k or not 0 < self.transmission <= 1:
            raise ValueError(f"not a camera's numbers, above all {strange}: {self}")

    @property
    def transmission(self) -> float:
        """What the air between camera and object lets through."""
        air = self.atmosphere_k - ZERO_C
        water = self.humidity * np.exp(1.5587 + 0.06939 * air - 2.7816e-4 * air**2 + 6.8455e-7 * air**3)
        way, wet = np.sqrt(self.distance_m), np.sqrt(water)
        with np.errstate(all="ignore"):
            one, other = (
                np.exp(-way * (alpha + beta * wet))
                for alpha, beta in ((self.alpha1, self.beta1), (self.alpha2, self.beta2))
            )
            return float(self.x * one + (1 - self.x) * other)

    def counts_at(self, kelvin: float) -> float:
        """Of a black body."""
        with np.errstate(all="ignore"):
            return float(self.r1 / (self.r2 * (np.exp(self.b / kelvin) - self.f)) - self.o)


@dataclass(frozen=True, slots=True)
class Radiometry:
    """``counts``: uint16 [h,w], upright."""

    counts: Counts
    camera: Camera


def read(content: bytes, decoder: Decoder | None = None) -> Radiometry:
    """Counts and camera of a file, read in a throw-away child.

    Raises NotRadiometric for a picture without, RadiometryUnreadable for one whose plane or numbers cannot be, and what
    ``Decoder.decode`` raises of the child.
    """
    answer = (decoder or own()).answer({"plane": True}, content, 2 * MOST_COUNTS)
    with doubting():
        fields, data = told(answer)
        width, height, orientation = int(fields["width"]), int(fields["height"]), int(fields["orientation"])
        if width <= 0 or height <= 0:
            raise ValueError(f"{width} x {height}")
        plane = np.frombuffer(data.tobytes(), "<u2").reshape(height, width)
        numbers = {str(name): float(value) for name, value in dict(fields["numbers"]).items()}
    try:
        camera = Camera(**numbers)
    except (ValueError, TypeError) as error:
        raise RadiometryUnreadable(str(error)) from error
    return Radiometry(np.ascontiguousarray(_UPRIGHT.get(orientation, np.asarray)(plane)), camera)


def celsius(counts: Counts, camera: Camera, emissivity: float | None = None) -> Floats:
    """Temperatures float32 [h,w] in °C; NaN where there is no temperature that gives such counts.

    ``emissivity`` 0.01..1 takes the place of the one that the camera was told.
    """
    own_share = camera.emissivity if emissivity is None else emissivity
    air, window = camera.transmission, camera.window_transmission
    others = (
        (1 - own_share) * air * window * camera.counts_at(camera.reflected_k)
        + (1 - air) * window * camera.counts_at(camera.atmosphere_k)
        + (1 - window) * camera.counts_at(camera.window_k)
    )
    with np.errstate(all="ignore"):
        of_object = (counts.astype(np.float64) - others) / (own_share * air * window)
        kelvin = camera.b / np.log(camera.r1 / (camera.r2 * (of_object + camera.o)) + camera.f)
        possible = (of_object + camera.o > 0) & (kelvin > 0) & (kelvin < _HOTTEST)
    return np.where(possible, kelvin - ZERO_C, np.nan).astype(np.float32)


def agreement(plane: Floats, picture: Pixels) -> float:
    """How far temperatures explain the colours in the same places, 0..1: the correlation ratio, whatever the palette.

    A camera's picture may be a zoomed part of its plane, or mostly a photograph; then this is near 0.
    """
    warm = cv2.resize(np.nan_to_num(plane, nan=float(np.nanmin(plane))), _GRID, interpolation=cv2.INTER_AREA).ravel()
    colours = cv2.resize(picture, _GRID, interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.float64)
    ranks, share = np.argsort(np.argsort(warm, kind="stable")), (warm - warm.min()) / max(float(np.ptp(warm)), 1e-6)
    # By rank for a scene of many temperatures, by degrees for a hot spot in a scene of one.
    return max(_explained(colours, ranks * _STEPS // warm.size), _explained(colours, np.round(share * (_STEPS - 1))))


def _explained(colours: NDArray[np.float64], groups: NDArray[Any]) -> float:
    """Share of the colours' variance that is between groups; 0 where there is none."""
    left = sum(
        float(np.square(part - part.mean(0)).sum()) for n in range(_STEPS) if (part := colours[groups == n]).size
    )
    whole = float(np.square(colours - colours.mean(0)).sum())
    return 1 - left / whole if whole > 0 else 0.0
