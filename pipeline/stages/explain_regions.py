"""Show which regions of skin each finding comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import cv2
import numpy as np

from pipeline.imaging.crop import PixelBox
from pipeline.imaging.render import Style, contact_sheet, paint_heat, shrunk
from pipeline.models.maps import is_flat
from pipeline.numbers import rounded
from pipeline.stage import Json, Models, Picture, Stage, StageAnswer, StageInput, StageOutput, each

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    from pipeline.stage import Pixels

    Map: TypeAlias = NDArray[np.float32]

FACE: Final = "face"
"""The region that the networks saw whole, a square."""
SIDE: Final = 224
"""Pixels a side to which a map is smoothed: as many as the network saw."""
TILE: Final = 192
"""Pixels of a region's longer side on a sheet."""


@dataclass(frozen=True, kw_only=True)
class ExplainRegions(Stage):
    """The map of the whole face that each of ``findings`` has, cut along the outlines of the regions of skin.

    The networks learned whole faces and are never asked about a region alone, so this does not say what a region would
    be called: only how much of the evidence lies on it. A map of 7 × 7 cells is coarser than some regions; what lies on
    their edge counts for both sides.
    """

    kind: ClassVar = "explain_regions"

    needs: tuple[str, ...] = ("crop_regions",)
    findings: tuple[str, ...]
    style: Style = "uniform"

    def __post_init__(self) -> None:
        if not self.optional:
            object.__setattr__(self, "optional", tuple(f"classify_{name}" for name in self.findings))
        super().__post_init__()

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{findings: {name: {region: {share, area}, elsewhere: {share, area}}}}``, artifacts ``heatmap_<name>_regions``.

        ``share`` is of the map's heat, ``area`` of the face's square, both in 0..1 and 1 in all: a region with a larger
        share than area is looked at more than the rest. A finding without a map, or with one that points nowhere, is
        left out. A sheet shows each region that was cut, all on the map's own scale: what is cold stays as it is.
        """
        return each(self._answer, items)

    def _answer(self, item: StageInput) -> StageOutput:
        cropped = item.needs["crop_regions"]
        regions = cropped.data["regions"]
        names = [name for name, region in regions.items() if name != FACE and region["inside"]]
        crops = {name: shrunk(cropped.picture(f"crop_{name}"), TILE) for name in names}
        told: dict[str, Json] = {}
        sheets: dict[str, Picture] = {}
        for reader in self.optional:
            heat = _heat(item.needs[reader].data) if item.needs[reader].ok else None
            if heat is not None and crops:
                name = reader.removeprefix("classify_")
                told[name], sheet = self._explained(heat, regions, crops)
                sheets[f"heatmap_{name}_regions"] = Picture(sheet, lossless=False)
        return StageOutput(rounded({"findings": told}), sheets)

    def _explained(
        self, heat: Map, regions: Mapping[str, Json], crops: Mapping[str, Pixels]
    ) -> tuple[dict[str, Json], Pixels]:
        square = PixelBox.of(regions[FACE]["box"])
        shares: dict[str, Json] = {}
        tiles: list[tuple[Pixels, str]] = []
        for name, crop in crops.items():
            part = PixelBox.of(regions[name]["visible"])
            lies = _cut(heat, square, part, crop.shape[1], crop.shape[0])
            inside = crop[:, :, 3] > 0
            pixel = part.area / (inside.size * square.area)  # a crop's pixel as a share of the square
            share = float(lies[inside].sum()) * pixel / float(heat.mean())
            shares[name] = {"share": share, "area": float(inside.sum()) * pixel}
            painted = np.dstack([paint_heat(crop[:, :, :3], lies, self.style), crop[:, :, 3]])
            tiles.append((painted, f"{name.replace('_', ' ')}: {share:.0%}"))
        shares["elsewhere"] = {key: 1 - sum(each[key] for each in shares.values()) for key in ("share", "area")}
        return shares, contact_sheet(tiles, side=TILE)


def _heat(found: Mapping[str, Json]) -> Map | None:
    """A finding's evidence for its label, 0..1 over the face's square, smooth; None where there is none to show."""
    if found["cam_method"] is None or found["cam"] is None:
        return None
    cells = np.maximum(np.array(found["cam"], np.float64), 0)
    if is_flat(cells, found["cam_peak"]):
        return None
    smooth = cv2.resize((cells / cells.max()).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(smooth, 0, 1), np.float32)


def _cut(heat: Map, square: PixelBox, part: PixelBox, width: int, height: int) -> Map:
    """The heat over ``part`` of the picture, as ``width`` by ``height`` pixels."""
    across, down = SIDE / square.width, SIDE / square.height
    step_x, step_y = part.width / width * across, part.height / height * down
    left, top = (part.x - square.x) * across, (part.y - square.y) * down
    # OpenCV counts from a pixel's middle.
    way = np.array([[step_x, 0, left + step_x / 2 - 0.5], [0, step_y, top + step_y / 2 - 0.5]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    lies = cv2.warpAffine(heat, way, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(lies, np.float32)
