"""Integers for real numbers, as the TFLite quantisation specification has it: real = (stored - zero point) × scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ModelLoadError

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from numpy.typing import NDArray

    Tensor: TypeAlias = NDArray[Any]
    Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Quantisation:
    """One tensor's scale and zero point; per tensor, because inputs and outputs have no others."""

    scale: float
    zero_point: int
    dtype: np.dtype[Any]

    def store(self, real: Tensor) -> Tensor:
        """Real numbers to the nearest integers, halves to the even one as LiteRT's own kernel, clipped to the type's range."""
        nearest = np.rint(np.asarray(real, np.float32) / np.float32(self.scale)) + np.float32(self.zero_point)
        limits = np.iinfo(self.dtype)
        return np.asarray(np.clip(nearest, limits.min, limits.max), self.dtype)

    def real(self, stored: Tensor) -> Floats:
        """Integers back to float32."""
        return np.asarray((stored.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale))


def quantisation(detail: dict[str, Any]) -> Quantisation | None:
    """How LiteRT says a tensor is stored; None for one that holds its numbers as they are. Raises ModelLoadError."""
    parameters, dtype = detail["quantization_parameters"], np.dtype(detail["dtype"])
    scales, zeros = parameters["scales"], parameters["zero_points"]
    if not len(scales) or dtype.kind not in "iu":
        return None
    if len(scales) != 1 or len(zeros) != 1:
        raise ModelLoadError(
            f"{detail['name']} has {len(scales)} scales: one per tensor is what an input or output has"
        )
    scale, zero_point = float(scales[0]), int(zeros[0])
    limits = np.iinfo(dtype)
    if not (np.isfinite(scale) and scale > 0 and limits.min <= zero_point <= limits.max):
        raise ModelLoadError(f"{detail['name']} is stored with scale {scale} and zero point {zero_point}")
    return Quantisation(scale, zero_point, dtype)
