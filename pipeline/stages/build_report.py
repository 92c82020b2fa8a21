"""Put together what the stages found: the one document that a client reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from pipeline.numbers import rounded
from pipeline.stage import Json, Models, Need, Stage, StageAnswer, StageInput, StageOutput, each

SECTIONS: Final = {
    "image": "decode_image",
    "subject": "validate_subject",
    "background": "remove_background",
    "face": "detect_face",
    "landmarks": "detect_landmarks",
}
"""Part of the report → stage whose numbers it holds; null where that stage left none."""

FORMULA: Final = {
    "version": "1",
    "text": "mean over the answered regions of P(healthy label), times 100, rounded to 0.1; null below least regions",
}
EARLIER: Final = ("fetch_input", *SECTIONS.values(), "crop_regions", "explain_findings", "render_preview")
"""What a report tells of besides the regions' own steps."""

MOSTLY: Final = 0.5
"""Share of a heat map's energy that should lie on what is picture."""
COARSE: Final = 56
"""A region seen by fewer pixels a side is enlarged more than four times for its network."""


@dataclass(frozen=True, kw_only=True)
class BuildReport(Stage):
    """Always runs, however the others ended, and says how each ended and which model answered.

    ``optional`` are the usual steps, ``sections`` the usual parts, unless a system names its own. No ids, times, attempts
    or cache hits: equal pictures give equal bytes. Regions' stages are named ``classify_<region>``. The health score
    is the mean probability of ``healthy`` over the answers, times 100, null when fewer than ``least`` have it.
    """

    kind: ClassVar = "build_report"
    version: ClassVar = 2

    system: str
    regions: tuple[str, ...]
    healthy: str = "normal"
    least: int = 3
    sections: Mapping[str, str] = field(default_factory=SECTIONS.copy)

    def __post_init__(self) -> None:
        if not self.optional:
            readers = tuple(f"classify_{region}" for region in self.regions)
            object.__setattr__(self, "optional", EARLIER + readers)
        super().__post_init__()

    def run(self, items: Sequence[StageInput], models: Models) -> list[StageAnswer]:
        """Answer ``{report}``."""
        return each(lambda item: StageOutput(rounded({"report": self._report(item.needs)})), items)

    def _report(self, needs: Mapping[str, Need]) -> dict[str, Json]:
        findings = {region: _finding(needs[f"classify_{region}"]) for region in self.regions}
        healthy = {
            region: found["probabilities"][self.healthy]
            for region, found in findings.items()
            if self.healthy in found.get("probabilities", {})
        }
        return {
            "pipeline": {"system": self.system},
            **{part: _section(needs[stage]) for part, stage in self.sections.items() if stage in needs},
            "findings": findings,
            "heatmaps": dict(_left(needs, "explain_findings", "heatmaps")),
            "health_score": health_score(healthy, self.least),
            "health_score_formula": {**FORMULA, "least": self.least, "healthy": self.healthy, "inputs": healthy},
            "artifacts": sorted(name for need in needs.values() for name in need.artifacts),
            "stages": {name: _stage(need) for name, need in needs.items()},
            "warnings": list(_warnings(needs, findings, self.sections)),
        }


def health_score(healthy: Mapping[str, float], least: int) -> float | None:
    """Formula 1 over region → P(healthy label): 0..100 with one decimal, or None when fewer than ``least`` answered."""
    if len(healthy) < max(least, 1):
        return None
    return round(100 * sum(healthy.values()) / len(healthy), 1)


def _section(need: Need) -> dict[str, Json] | None:
    """A stage's numbers if it has an answer. A subject that was turned down still says how sure that is."""
    told = need.ok or "subject" in need.data
    return dict(need.data) if told else None


def _left(needs: Mapping[str, Need], stage: str, key: str) -> Any:
    """What an ok stage left under ``key``, else nothing."""
    need = needs.get(stage)
    return need.data[key] if need is not None and need.ok else {}


def _finding(need: Need) -> dict[str, Json]:
    if not need.ok:
        return {"outcome": str(need.outcome), "code": need.code}
    told = ("label", "confidence", "probabilities", "needs_review", "threshold")
    return {key: need.data[key] for key in told}


def _stage(need: Need) -> dict[str, Json]:
    """How a stage ended, who answered, and the numbers behind a verdict."""
    return {
        "outcome": str(need.outcome),
        "code": need.code,
        "version": need.provenance.get("stage_version"),
        "models": need.provenance.get("models", {}),
        **({} if need.ok or not need.data else {"detail": dict(need.data)}),
    }


def _warnings(
    needs: Mapping[str, Need], findings: Mapping[str, Mapping[str, Any]], sections: Mapping[str, str]
) -> Iterator[dict[str, Json]]:
    """What a reader should know before believing the rest; a code each, and where."""
    if any(model.get("mock") for need in needs.values() for model in need.provenance.get("models", {}).values()):
        yield {"code": "MOCK_MODEL"}
    face, cutout = needs.get(sections.get("face", "")), needs.get("remove_background")
    if face is not None and face.ok:
        if face.data.get("detected_on") == "original" and cutout is not None and cutout.ok:
            yield {"code": "FACE_HIDDEN_BY_CUTOUT"}
        if len(face.data["candidates"]) > 1:
            yield {"code": "SEVERAL_FACES"}
    if _left(needs, sections.get("agreement", ""), "disagreement"):
        yield {"code": "FINDINGS_DISAGREE"}
    regions = _left(needs, "crop_regions", "regions")
    for region, found in findings.items():
        if "label" not in found:
            yield {"code": "REGION_NOT_ANSWERED", "region": region, "reason": found["code"]}
        elif region in regions and regions[region]["box"]["width"] < COARSE:
            yield {"code": "REGION_COARSE", "region": region}
    for region, heatmap in _left(needs, "explain_findings", "heatmaps").items():
        yield from ({"code": code, "region": region} for code in _doubts(heatmap["quality"]))


def _doubts(quality: Mapping[str, Any]) -> Iterator[str]:
    """Why a heat map should not be believed: it points nowhere, mostly beside the picture, or not at what decided."""
    if quality["flat"]:
        yield "HEATMAP_FLAT"
    elif quality["inside"] < MOSTLY:
        yield "HEATMAP_BESIDE_PICTURE"
    if quality["deletion"] is not None and quality["deletion"] <= 0:
        yield "HEATMAP_NOT_DECISIVE"
