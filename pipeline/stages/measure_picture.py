"""How bright, contrasty, sharp and colourful is the picture? For people, and to see later whether pictures change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from pipeline.imaging.render import shrunk
from pipeline.numbers import rounded
from pipeline.stage import Models, Stage, StageAnswer, StageInput, StageOutput, each

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST: Final = 256
"""Pixels of the longer side that is measured, so that sharpness does not depend on a camera's pixels alone."""
LUMA: Final = (0.299, 0.587, 0.114)
DARK, BRIGHT = 5, 250
"""Pixels at or beyond these, of 255, have lost what was there."""


@dataclass(frozen=True, kw_only=True)
class MeasurePicture(Stage):
    """Five numbers of a picture made small. They decide nothing: no scan ends otherwise for them."""

    kind: ClassVar = "measure_picture"

    needs: tuple[str, ...] = ("decode_image",)

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{brightness, contrast, sharpness, saturation, clipped}``, each 0..1.

        Brightness and contrast: mean and standard deviation of the luma. Sharpness: standard deviation of its Laplacian. Saturation:
        mean difference of the strongest and the weakest channel. Clipped: share of pixels that are as good as black or white.
        """
        return each(
            lambda item: StageOutput(rounded(_measured(item.needs["decode_image"].picture("canonical")))), items
        )


def _measured(picture: NDArray[np.uint8]) -> dict[str, float]:
    small = shrunk(picture, LONGEST).astype(np.float32)
    luma = small @ np.asarray(LUMA, np.float32)
    lost = (luma <= DARK) | (luma >= BRIGHT)
    return {
        "brightness": _mean(luma) / 255,
        "contrast": float(luma.std(dtype=np.float64)) / 255,
        "sharpness": float(_laplacian(luma).std(dtype=np.float64)) / 1020,
        "saturation": _mean(small.max(axis=2) - small.min(axis=2)) / 255,
        "clipped": _mean(lost),
    }


def _laplacian(luma: NDArray[np.float32]) -> NDArray[Any]:
    """Four times the middle less its neighbours, edges repeated: -1020..1020."""
    wide = np.pad(luma, 1, mode="edge")
    return 4 * luma - wide[:-2, 1:-1] - wide[2:, 1:-1] - wide[1:-1, :-2] - wide[1:-1, 2:]


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean(dtype=np.float64))
