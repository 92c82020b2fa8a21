"""Show where in each crop its finding comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from pipeline.imaging.crop import PixelBox
from pipeline.imaging.render import overlay_heat
from pipeline.numbers import rounded
from pipeline.stage import Json, Models, Need, Picture, Stage, StageAnswer, StageInput, StageOutput, each

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    Map: TypeAlias = NDArray[np.float64]

METHOD: Final = "class activation map of the difference between the labels' logits"
FLAT: Final = 0.05
"""A map whose values differ by less than this share of the largest points nowhere."""


@dataclass(frozen=True, kw_only=True)
class ExplainFindings(Stage):
    """An overlay for each region that its step ``classify_<region>`` has answered.

    The map is the one the classifier gave in its only forward pass, taken in the direction of the likelier label, also
    when the finding is ``uncertain``. A map that points nowhere is not stretched into a picture of something: the
    plain crop is shown, and ``flat`` says so.
    """

    kind: ClassVar = "explain_findings"

    needs: tuple[str, ...] = ("crop_regions",)
    regions: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.optional:
            object.__setattr__(self, "optional", tuple(f"classify_{region}" for region in self.regions))
        super().__post_init__()

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{heatmaps: {region: {method, label, quality: {finite, flat, inside}}}}``, artifacts ``heatmap_<region>``.

        ``inside`` is the share of the map's energy on what is picture, not on the grey beyond its edge; None if flat.
        """
        return each(self._answer, items)

    def _answer(self, item: StageInput) -> StageOutput:
        heatmaps: dict[str, Json] = {}
        overlays: dict[str, Picture] = {}
        for finding in (item.needs[name] for name in self.optional):
            if finding.ok and finding.data["cam"] is not None:
                region = finding.data["region"]
                heatmaps[region], overlays[f"heatmap_{region}"] = _explained(
                    finding, region, item.needs["crop_regions"]
                )
        return StageOutput(rounded({"heatmaps": heatmaps}), overlays)


def _explained(finding: Need, region: str, cropped: Need) -> tuple[dict[str, Json], Picture]:
    crop = cropped.picture(f"crop_{region}")
    label = max(finding.data["probabilities"].items(), key=lambda pair: (pair[1], pair[0]))[0]
    signed = np.array(finding.data["cam"], np.float64) * (1 if label == finding.data["cam_for"] else -1)
    finite = bool(np.isfinite(signed).all())
    heat = np.maximum(signed, 0) if finite else np.zeros_like(signed)
    flat = bool(heat.max() <= 1e-9 or heat.max() - heat.min() < FLAT * heat.max())
    inside = None if flat else _inside(heat, cropped.data["regions"][region])
    told = {"method": METHOD, "label": label, "quality": {"finite": finite, "flat": flat, "inside": inside}}
    return told, Picture(crop if flat else overlay_heat(crop, heat / heat.max()), lossless=False)


def _inside(heat: Map, region: Mapping[str, Json]) -> float:
    """Share of the energy over the visible part of the box; each cell counts by how much of it is visible."""
    box, part = PixelBox.of(region["box"]), PixelBox.of(region["visible"])
    rows = _covered(heat.shape[0], (part.y - box.y) / box.height, (part.y - box.y + part.height) / box.height)
    columns = _covered(heat.shape[1], (part.x - box.x) / box.width, (part.x - box.x + part.width) / box.width)
    return float((heat * np.outer(rows, columns)).sum() / heat.sum())


def _covered(cells: int, low: float, high: float) -> Map:
    """Share of each of ``cells`` equal cells of 0..1 that lies between low and high."""
    edges = np.linspace(0, 1, cells + 1)
    return np.asarray(np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None) * cells)
