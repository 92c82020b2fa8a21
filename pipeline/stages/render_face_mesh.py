"""A picture for people: the face with its mesh and the regions of skin that were cut along it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pipeline.imaging.mesh_drawing import draw_mesh
from pipeline.imaging.rotated_square import RotatedSquare
from pipeline.stage import Models, Picture, Stage, StageAnswer, StageInput, StageOutput, each


@dataclass(frozen=True, kw_only=True)
class RenderFaceMesh(Stage):
    """Outlines of regions that were left out are grey."""

    kind: ClassVar = "render_face_mesh"

    needs: tuple[str, ...] = ("decode_image", "detect_face_mesh")
    optional: tuple[str, ...] = ("crop_regions",)

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{}`` and the artifact ``preview``, a JPEG of 768 × 768 pixels."""
        return each(_answer, items)


def _answer(item: StageInput) -> StageOutput:
    mesh, cropped = item.needs["detect_face_mesh"].data, item.answered("crop_regions")
    regions = cropped.data["regions"] if cropped else {}
    drawn = draw_mesh(
        item.needs["decode_image"].picture("canonical"),
        RotatedSquare.of(mesh["square"]),
        np.array(mesh["points"], np.float64),
        [name for name, region in regions.items() if region["inside"]],
    )
    return StageOutput({}, {"preview": Picture(drawn, lossless=False)})
