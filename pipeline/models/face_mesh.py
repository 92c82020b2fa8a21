"""468 points on a human face: Face Mesh (Kartynnik et al. 2019, arXiv:1907.06724)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from pipeline.imaging.anchors import sigmoid
from pipeline.models.base import Model, expect
from pipeline.models.tensors import to_batch

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    from pipeline.models.base import Pixels, Tensor

    Floats: TypeAlias = NDArray[np.float64]

COUNT: Final = 468


@dataclass(frozen=True, eq=False)
class MeshAnswer:
    """``points`` [468,3] as x, y, z in units of the crop's side, which they may leave, and the chance of a face in 0..1.

    z is depth relative to the head's centre, smaller is nearer, at about the scale of x; it is the network's guess.
    """

    points: Floats
    confidence: float

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, MeshAnswer)
            and self.confidence == other.confidence
            and np.array_equal(self.points, other.points)
        )

    __hash__ = None  # type: ignore[assignment]


class FaceMeshModel(Model[MeshAnswer]):
    """Outputs ``points`` [N,...] of 1,404 numbers in input pixels, and ``presence`` [N,...] as one logit.

    It wants a square crop with the eyes level and the face in its middle two thirds (``imaging/face_mesh.py``).
    """

    roles: ClassVar = (frozenset({"points", "presence"}),)

    def pre_process(self, pictures: Sequence[Pixels]) -> Tensor:
        return to_batch(pictures, self.entry.input)

    def post_process(self, outputs: Mapping[str, Tensor], picture: Pixels) -> MeshAnswer:
        side = self.entry.input.size[0]
        points, presence = outputs["points"].reshape(-1), outputs["presence"].reshape(-1)
        expect("points", points, (3 * COUNT,), -4 * side, 5 * side)
        expect("presence", presence, (1,), -1e6, 1e6)
        placed = points.reshape(COUNT, 3).astype(np.float64) / side
        return MeshAnswer(placed, float(sigmoid(presence)[0]))
