"""A report of the system ``skincare`` in the words of the service that it grew from. Stdlib only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

ACNE = "acne"


def analysis(report: Mapping[str, Any]) -> tuple[Json, Json]:
    """Rows S2.9, S2.10, S2.11 and S2.18: what the networks say (``ml_analysis``) and what was measured (``cv_analysis``).

    A part without an answer is ``{"code": …}``: never "no acne", never a measure of nothing.
    """
    findings, heat = report["findings"], (report.get("heat") or {}).get("findings", {})
    networks = {
        "acne": {**_acne(findings[ACNE]), "regions": heat.get(ACNE)},
        "condition": {**_condition(findings["condition"]), "regions": heat.get("condition")},
        "disagreement": (report.get("agreement") or {}).get("disagreement"),
        "agreement": report.get("agreement"),
    }
    return networks, _measures(report)


def confidence(report: Mapping[str, Any]) -> float | None:
    """The lower of the networks' confidences, 0..1; None where none answered."""
    said = [found["confidence"] for found in report["findings"].values() if "label" in found]
    return min(said, default=None)


def _acne(found: Mapping[str, Any]) -> Json:
    if "label" not in found:
        return {"code": found["code"]}
    chances = found["probabilities"]
    return {
        "detected": chances[ACNE] > 0.5 if not found["needs_review"] else None,
        "confidence": found["confidence"],
        "label": found["label"],
        "probabilities": chances,
        "needs_review": found["needs_review"],
    }


def _condition(found: Mapping[str, Any]) -> Json:
    if "label" not in found:
        return {"code": found["code"]}
    return {
        "condition": found["label"],
        "confidence": found["confidence"],
        "probabilities": found["probabilities"],
        "needs_review": found["needs_review"],
    }


def _measures(report: Mapping[str, Any]) -> Json:
    skin = report.get("skin")
    if skin is None:
        ended = report["stages"].get("measure_skin", {})
        return {"code": ended.get("code")}
    told = {name: _overall(skin[part]) for name, part in PARTS.items()}
    return {**told, "dark_circles": _worse(skin["dark_circles"]), "skin_type": None}


PARTS = {"skin_tone": "skin_tone", "texture_quality": "texture", "wrinkles": "wrinkles"}


def _overall(part: Mapping[str, Any]) -> Json:
    """The figures of the region that stands for the face, and its name; without one, each region's code."""
    name = part["overall"]
    if name is None:
        return {"region": None, "codes": {region: told["code"] for region, told in part["regions"].items()}}
    return {"region": name, **part["regions"][name]}


def _worse(sides: Mapping[str, Any]) -> Json:
    """The darker of the two sides that were measured, and both."""
    measured = [side for side, told in sides.items() if "code" not in told]
    if not measured:
        return {"side": None, "codes": {side: told["code"] for side, told in sides.items()}}
    side = max(measured, key=lambda each: float(sides[each]["darker"]))
    return {"side": side, **sides[side], "sides": dict(sides)}
