"""LightGBM behind the session's face: numbers in, class probabilities out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import lightgbm
import numpy as np

from pipeline.errors import ModelLoadError, ModelOutputInvalid
from pipeline.models.lightgbm_check import check_lightgbm

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from numpy.typing import NDArray

    Tensor: TypeAlias = NDArray[Any]

INPUT: Final = "features"
OUTPUT: Final = "probabilities"


class LightGbmSession:
    """One vector per pass, float64 [1,F] to ``probabilities`` [1,C]; a binary model answers [1-p, p].

    The number of threads is given with every call; the settings of the training are not even read.
    """

    batch = 1
    input_names = frozenset({INPUT})
    output_names = frozenset({OUTPUT})

    def __init__(self, content: bytes, *, threads: int = 1) -> None:
        text, self._classes = check_lightgbm(content)
        try:
            self._booster = lightgbm.Booster(model_str=text)
        except Exception as error:  # LightGBMError, and what its JSON and number parsing raise
            raise ModelLoadError(f"LightGBM refuses the model: {error}") from error
        self._threads = threads
        names = tuple(self._booster.feature_name())
        self.input_shapes: Mapping[str, Sequence[int | None]] = {INPUT: (1, len(names))}
        self.features: tuple[str, ...] = () if names == tuple(f"Column_{i}" for i in range(len(names))) else names
        """Names of the numbers, in order; none if the training gave them none."""

    def run(self, name: str, batch: Tensor, outputs: Sequence[str]) -> dict[str, Tensor]:
        """See ``Session.run``."""
        found = np.asarray(self._booster.predict(batch, num_threads=self._threads))
        given = np.stack([1 - found, found], axis=1) if found.ndim == 1 else found
        if given.shape != (len(batch), self._classes):
            raise ModelOutputInvalid(f"LightGBM gave {given.shape} for {self._classes} classes")
        return dict.fromkeys(outputs, given)
