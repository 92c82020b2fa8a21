"""Class probabilities of a vector of numbers: measures, or another network's embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pipeline.errors import ModelLoadError, ModelOutputInvalid
from pipeline.models.base import Model, expect

if TYPE_CHECKING:
    from pipeline.models.base import Tensor
    from pipeline.models.manifest import ModelEntry
    from pipeline.models.sessions import Session


class TabularModel(Model[Mapping[str, float]]):
    """Outputs ``probabilities`` [N,C], labelled. Takes vectors [F] in the order of the manifest's ``input.features``.

    A vector that is too short or not finite is refused: LightGBM would take it for one with gaps and answer.
    """

    roles: ClassVar = (frozenset({"probabilities"}),)

    def __init__(self, entry: ModelEntry, session: Session) -> None:
        super().__init__(entry, session)
        named = tuple(getattr(session, "features", ()))
        plain = entry.input.features == tuple(map(str, range(len(named))))
        if named and not plain and named != entry.input.features:
            raise ModelLoadError(f"{entry.name}: the file's features have other names or another order")

    def pre_process(self, pictures: Sequence[Tensor]) -> Tensor:
        """Vectors [F] to [N,F] in float64 for LightGBM, float32 for a network. Raises ModelOutputInvalid."""
        batch = np.stack([np.asarray(vector, np.float64) for vector in pictures])
        if batch.shape[1:] != self.entry.input.shape or not np.isfinite(batch).all():
            raise ModelOutputInvalid(f"{self.entry.name}: a vector of {batch.shape[1:]}, or with gaps")
        return batch if self.entry.runtime == "lightgbm" else batch.astype(np.float32)

    def post_process(self, outputs: Mapping[str, Tensor], picture: Tensor) -> Mapping[str, float]:
        """Probability by label, in the manifest's order."""
        values = outputs["probabilities"]
        expect("probabilities", values, (None,), 0, 1)
        if abs(float(values.sum()) - 1) > 1e-3:
            raise ModelOutputInvalid(f"{self.entry.name}: probabilities add up to {values.sum()}")
        return dict(zip(self.labels("probabilities", len(values)), values.astype(float).tolist(), strict=True))
