"""What a reader should know before believing a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import RadiometryUnreadable

if TYPE_CHECKING:
    from pipeline.stage import Json, Need

MOSTLY: Final = 0.5
"""Share of a heat map's energy that should lie on what is picture."""
COARSE: Final = 56
"""A region seen by fewer pixels a side is enlarged more than four times for its network."""

CHEEKS: Final = 10.0
"""Degrees of ITA by which two cheeks of one face may differ before it is the light that differs."""
SKIN: Final = (-65.0, 75.0)
"""Degrees of ITA, wider than instruments find on skin: what is beyond is shadow, glare or a colour cast."""


def warnings(
    needs: Mapping[str, Need], findings: Mapping[str, Mapping[str, Any]], sections: Mapping[str, str]
) -> Iterator[dict[str, Json]]:
    """What a reader should know before believing the rest; a code each, and where."""
    yield from _models_in_doubt(needs)
    yield from _picture_in_doubt(needs, sections)
    regions = left(needs, "crop_regions", "regions")
    for region, found in findings.items():
        if "label" not in found:
            yield {"code": "REGION_NOT_ANSWERED", "region": region, "reason": found["code"]}
        elif region in regions and regions[region]["box"]["width"] < COARSE:
            yield {"code": "REGION_COARSE", "region": region}
    for region, heatmap in left(needs, "explain_findings", "heatmaps").items():
        yield from ({"code": code, "region": region} for code in _doubts(heatmap["quality"]))
    for region, shares in left(needs, "explain_regions", "findings").items():
        if shares["elsewhere"]["share"] > shares["elsewhere"]["area"]:
            yield {"code": "HEATMAP_BESIDE_SKIN", "region": region}


def _picture_in_doubt(needs: Mapping[str, Need], sections: Mapping[str, str]) -> Iterator[dict[str, Json]]:
    """Of the whole picture: its face, its pupil, how alike it is to what a memory knows, and who disagrees about it."""
    face, cutout = needs.get(sections.get("face", "")), needs.get("remove_background")
    if face is not None and face.ok:
        if face.data.get("detected_on") == "original" and cutout is not None and cutout.ok:
            yield {"code": "FACE_HIDDEN_BY_CUTOUT"}
        if len(face.data["candidates"]) > 1:
            yield {"code": "SEVERAL_FACES"}
    if left(needs, sections.get("agreement", ""), "disagreement"):
        yield {"code": "FINDINGS_DISAGREE"}
    if reason := _tone_in_doubt(left(needs, sections.get("skin", ""), "skin_tone")):
        yield {"code": "SKIN_TONE_DOUBTFUL", "reason": reason}
    if left(needs, sections.get("anomaly", ""), "familiar") is False:
        yield {"code": "PICTURE_UNFAMILIAR"}
    if (warm := needs.get(sections.get("temperatures", ""))) is not None and warm.ok:
        yield from _temperatures_in_doubt(warm.data)
    if unclear := left(needs, sections.get("pupil", ""), "code"):
        yield {"code": unclear}


def _tone_in_doubt(tone: Mapping[str, Any]) -> str | None:
    """Whether the light rather than the skin decided it, as far as two cheeks can tell."""
    angles = [told["ita"] for told in tone.get("regions", {}).values() if "ita" in told]
    if any(not SKIN[0] <= angle <= SKIN[1] for angle in angles):
        return "no angle of skin"
    return "cheeks differ" if angles and max(angles) - min(angles) > CHEEKS else None


def _temperatures_in_doubt(warm: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    if warm["code"] == RadiometryUnreadable.code:
        yield {"code": warm["code"]}
    if warm.get("aligned") is False:
        yield {"code": "TEMPERATURES_NOT_ALIGNED"}
    if warm.get("outside"):
        yield {"code": "TEMPERATURES_BEYOND_RANGE"}


def _models_in_doubt(needs: Mapping[str, Need]) -> Iterator[dict[str, Json]]:
    if any(model.get("mock") for need in needs.values() for model in need.provenance.get("models", {}).values()):
        yield {"code": "MOCK_MODEL"}
    for need in needs.values():
        if need.ok and need.data.get("passed_over"):
            yield {"code": "FALLBACK_MODEL", "model": need.data["answered_by"], "passed_over": need.data["passed_over"]}


def _doubts(quality: Mapping[str, Any]) -> Iterator[str]:
    """Why a heat map should not be believed: it points nowhere, mostly beside the picture, or not at what decided."""
    if quality["flat"]:
        yield "HEATMAP_FLAT"
    elif quality["inside"] < MOSTLY:
        yield "HEATMAP_BESIDE_PICTURE"
    if quality["deletion"] is not None and quality["deletion"] <= 0:
        yield "HEATMAP_NOT_DECISIVE"


def left(needs: Mapping[str, Need], stage: str, key: str) -> Any:
    """What an ok stage left under ``key``, else nothing."""
    need = needs.get(stage)
    return need.data[key] if need is not None and need.ok else {}
