"""Show where in each crop its finding comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import numpy as np

from pipeline.imaging.crop import PixelBox
from pipeline.imaging.render import overlay_heat, shrunk
from pipeline.models.maps import is_flat
from pipeline.numbers import rounded
from pipeline.stage import Json, Models, Picture, Stage, StageAnswer, StageInput, StageOutput, each

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    from pipeline.stage import Pixels

    Map: TypeAlias = NDArray[np.float64]

LONGEST: Final = 1024
"""Pixels of an overlay's longer side where the classifier saw the whole picture."""


@dataclass(frozen=True, kw_only=True)
class ExplainFindings(Stage):
    """An overlay for each of ``regions`` that its step ``classify_<region>`` has answered, on the crop that it saw.

    Where ``crop_regions`` is not among the needs that is the whole picture.

    This only draws: the map is the classifier's, in the direction of the likeliest label, also when the finding is
    ``uncertain``. A map that points nowhere is not stretched into a picture of something: the plain crop is shown,
    and ``flat`` says so. ``style`` "uniform" has even steps of brightness, also in print and for people who see no
    red or green, and leaves what is cold as it is; "jet" is the seed's rainbow (S0.38), 0.4 over 0.6 of the crop,
    whose yellow ring shows edges that are not in the map.
    """

    kind: ClassVar = "explain_findings"
    version: ClassVar = 2

    needs: tuple[str, ...] = ("crop_regions",)
    regions: tuple[str, ...]
    style: Literal["uniform", "jet"] = "uniform"

    def __post_init__(self) -> None:
        if not self.optional:
            object.__setattr__(self, "optional", tuple(f"classify_{region}" for region in self.regions))
        super().__post_init__()

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{heatmaps: {region: {method, label, quality}}}``, artifacts ``heatmap_<region>``.

        ``method`` names what the classifier did, ``label`` what the map speaks for (None: a method without labels).
        ``quality``: ``finite``; ``flat``; ``inside``, the share of the map's energy on what is picture, not on the
        grey beyond its edge, None if flat; ``deletion``, what the label's probability loses when the hottest part is
        hidden, None if not measured.
        """
        return each(self._answer, items)

    def _answer(self, item: StageInput) -> StageOutput:
        heatmaps: dict[str, Json] = {}
        overlays: dict[str, Picture] = {}
        for reader in self.optional:
            finding, name = item.needs[reader], reader.removeprefix("classify_")
            if finding.ok and finding.data["cam_method"] is not None:
                told, overlay = self._explained(finding.data, *_seen(item, finding.data["region"]))
                heatmaps[name], overlays[f"heatmap_{name}"] = told, Picture(overlay, lossless=False)
        return StageOutput(rounded({"heatmaps": heatmaps}), overlays)

    def _explained(
        self, found: Mapping[str, Json], crop: Pixels, region: Mapping[str, Json]
    ) -> tuple[dict[str, Json], Pixels]:
        finite = found["cam"] is not None
        heat = np.maximum(np.array(found["cam"] if finite else [[0.0]], np.float64), 0)
        flat = not finite or is_flat(heat, found["cam_peak"])
        quality = {
            "finite": finite,
            "flat": flat,
            "inside": None if flat else _inside(heat, region),
            "deletion": found["deletion"]["loss"] if found["deletion"] else None,
        }
        told = {"method": found["cam_method"], "label": found["cam_for"], "quality": quality}
        return told, crop if flat else overlay_heat(crop, heat / heat.max(), self.style)


def _seen(item: StageInput, region: str) -> tuple[Pixels, Mapping[str, Json]]:
    """What the classifier saw, for people, and its box: a crop, or the whole picture where nothing was cut."""
    if "crop_regions" in item.needs:
        cropped = item.needs["crop_regions"]
        return cropped.picture(f"crop_{region}"), cropped.data["regions"][region]
    decoded = item.needs["decode_image"]
    whole = {"x": 0, "y": 0, "width": decoded.data["width"], "height": decoded.data["height"]}
    return shrunk(decoded.picture("canonical"), LONGEST), {"box": whole, "visible": whole}


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
