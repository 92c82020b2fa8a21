"""Tone, texture, wrinkles and dark circles, measured on the crops of skin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from pipeline.errors import SkinNotMeasurable
from pipeline.imaging import skin_measures
from pipeline.numbers import rounded
from pipeline.stage import Json, Models, Stage, StageAnswer, StageInput, StageOutput, each

if TYPE_CHECKING:
    from pipeline.imaging.skin_measures import Pixels

CHEEKS: Final = ("left_cheek", "right_cheek")
SIDES: Final = ("left", "right")


@dataclass(frozen=True, kw_only=True)
class MeasureSkin(Stage):
    """Classic measures without a network; methods, units and limits: ``docs/skin_measures.md``.

    ``tone`` and ``texture`` are measured on ``smooth`` regions, ``wrinkles`` on ``lined`` ones, dark circles under each eye
    beside its cheek. What cannot be measured is null and says why; no value stands in for it.
    """

    kind: ClassVar = "measure_skin"

    needs: tuple[str, ...] = ("crop_regions",)
    smooth: tuple[str, ...] = CHEEKS
    lined: tuple[str, ...] = ("forehead", *CHEEKS)

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{skin_tone, texture, wrinkles, dark_circles}``: by region or side, each the measure's fields or ``{code}``.

        ``skin_tone``, ``texture`` and ``wrinkles`` also have ``overall``, the region with the median figure (of two, the
        lower one; of wrinkles the densest), null where no region has an answer. SKIN_NOT_MEASURABLE when nothing has one.
        """
        return each(self._answer, items)

    def _answer(self, item: StageInput) -> StageOutput:
        skin = _Skin(item)
        tone = skin.by_region(self.smooth, skin_measures.skin_tone)
        texture = skin.by_region(self.smooth, lambda patch: skin_measures.texture(patch, skin.eyes))
        lines = skin.by_region(self.lined, lambda patch: skin_measures.wrinkles(patch, skin.eyes))
        circles = {side: skin.circle(side) for side in SIDES}
        data = {
            "skin_tone": {"regions": tone, "overall": _overall(tone, "ita")},
            "texture": {"regions": texture, "overall": _overall(texture, "roughness")},
            "wrinkles": {"regions": lines, "overall": _overall(lines, "density", densest=True)},
            "dark_circles": circles,
        }
        if all("code" in told for part in (tone, texture, lines, circles) for told in part.values()):
            raise SkinNotMeasurable("no region of skin", rounded(data))
        return StageOutput(rounded(data))


class _Skin:
    """The crops of one scan; ``eyes`` is the distance between the eyes in their pixels."""

    def __init__(self, item: StageInput) -> None:
        self._cropped = item.needs["crop_regions"]
        self.eyes = float(self._cropped.data["eye_distance"])

    def by_region(self, regions: Sequence[str], measure: Callable[[Pixels], Any]) -> dict[str, Json]:
        """Region → the measure's fields, or the code that says why not."""
        return {region: self._code(region) or _told(measure(self._crop(region))) for region in regions}

    def circle(self, side: str) -> dict[str, Json]:
        """The skin under the eye of one side beside the cheek of that side."""
        under, cheek = f"{side}_under_eye", f"{side}_cheek"
        why = self._code(under) or self._code(cheek)
        return why or _told(skin_measures.dark_circle(self._crop(under), self._crop(cheek)))

    def _code(self, region: str) -> dict[str, Json] | None:
        told = self._cropped.data["regions"][region]
        return None if told["inside"] else {"code": told["code"]}

    def _crop(self, region: str) -> Pixels:
        return np.asarray(self._cropped.picture(f"crop_{region}"), np.uint8)


def _told(measured: Any) -> dict[str, Json]:
    return {"code": SkinNotMeasurable.code} if measured is None else asdict(measured)


def _overall(regions: dict[str, Json], key: str, *, densest: bool = False) -> str | None:
    """The region whose figure stands for the face."""
    measured = sorted((name for name, told in regions.items() if key in told), key=lambda name: regions[name][key])
    if not measured:
        return None
    return measured[-1] if densest else measured[(len(measured) - 1) // 2]
