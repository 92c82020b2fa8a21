"""A picture as numbers: one vector, or one at every place. What they mean is for another model to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from pipeline.errors import ModelOutputInvalid
from pipeline.models.base import Model
from pipeline.models.tensors import to_batch

if TYPE_CHECKING:
    from pipeline.models.base import Floats, Pixels, Tensor


class EmbeddingModel(Model["Floats"]):
    """Output ``embedding``: [N,F], as a `TabularModel` takes it, or [N,h,w,F]; float32 without units."""

    roles: ClassVar = (frozenset({"embedding"}),)

    def pre_process(self, pictures: Sequence[Pixels]) -> Tensor:
        return to_batch(pictures, self.entry.input)

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> Floats:
        """Vector [F] or grid [h,w,F]."""
        found = outputs["embedding"]
        if found.ndim not in (1, 3):
            raise ModelOutputInvalid(f"{self.entry.name}: an embedding of shape {found.shape}")
        return found
