"""Put together what the stages found: the one document that a client reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from pipeline.caveats import left, warnings
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

TOLD: Final = ("label", "likeliest", "confidence", "probabilities", "needs_review", "threshold")
CHOICE: Final = ("answered_by", "passed_over")
"""What a stage with several networks to choose from says of the one that answered."""


@dataclass(frozen=True, kw_only=True)
class BuildReport(Stage):
    """Always runs, however the others ended, and says how each ended and which model answered.

    ``optional`` are the usual steps, ``sections`` the usual parts, unless a system names its own. No ids, times, attempts
    or cache hits: equal pictures give equal bytes. Regions' stages are named ``classify_<region>``, unless all findings
    are in the one stage ``findings_of``. The health score is the mean probability of ``healthy`` over the answers,
    times 100, null when fewer than ``least`` have it, or no label is ``healthy``.
    """

    kind: ClassVar = "build_report"
    version: ClassVar = 2

    system: str
    regions: tuple[str, ...]
    findings_of: str | None = None
    healthy: str | None = "normal"
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
        findings = {region: self._finding(needs, region) for region in self.regions}
        return {
            "pipeline": {"system": self.system},
            **{part: _section(needs[stage]) for part, stage in self.sections.items() if stage in needs},
            "findings": findings,
            "heatmaps": dict(left(needs, "explain_findings", "heatmaps")),
            **self._health(findings),
            "artifacts": sorted(name for need in needs.values() for name in need.artifacts),
            "stages": {name: _stage(need) for name, need in needs.items()},
            "warnings": list(warnings(needs, findings, self.sections)),
        }

    def _finding(self, needs: Mapping[str, Need], region: str) -> dict[str, Json]:
        need = needs[self.findings_of or f"classify_{region}"]
        if not need.ok:
            return {"outcome": str(need.outcome), "code": need.code}
        found = need.data["findings"][region] if self.findings_of else need.data
        return {key: found[key] for key in TOLD if key in found}

    def _health(self, findings: Mapping[str, Mapping[str, Any]]) -> dict[str, Json]:
        if self.healthy is None:
            return {"health_score": None, "health_score_formula": None}
        inputs = {
            region: found["probabilities"][self.healthy]
            for region, found in findings.items()
            if self.healthy in found.get("probabilities", {})
        }
        formula = {**FORMULA, "least": self.least, "healthy": self.healthy, "inputs": inputs}
        return {"health_score": health_score(inputs, self.least), "health_score_formula": formula}


def health_score(healthy: Mapping[str, float], least: int) -> float | None:
    """Formula 1 over region → P(healthy label): 0..100 with one decimal, or None when fewer than ``least`` answered."""
    if len(healthy) < max(least, 1):
        return None
    return round(100 * sum(healthy.values()) / len(healthy), 1)


def _section(need: Need) -> dict[str, Json] | None:
    """A stage's numbers if it has an answer. A subject that was turned down still says how sure that is."""
    told = need.ok or "subject" in need.data
    return dict(need.data) if told else None


def _stage(need: Need) -> dict[str, Json]:
    """How a stage ended, who answered, and the numbers behind a verdict."""
    return {
        "outcome": str(need.outcome),
        "code": need.code,
        "version": need.provenance.get("stage_version"),
        "models": need.provenance.get("models", {}),
        **{key: need.data[key] for key in CHOICE if need.ok and key in need.data},
        **({} if need.ok or not need.data else {"detail": dict(need.data)}),
    }
