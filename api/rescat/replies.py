"""A finished scan in the seed's shapes: what it found, or which of the seed's codes says why it found nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from api.rescat.words import AREAS, seed_code, sentence
from pipeline.contracts import RunState

Json = dict[str, Any]
Links = Callable[[str], str | None]
"""Name of an artifact → a link to it; None when the scan has none of that name."""

_TROUBLE = frozenset({RunState.REJECTED, RunState.ABSTAINED, RunState.FAILED})


def validated(scan: Mapping[str, Any], _: Links) -> Json:
    """Is it a cat? ``confidence`` is the probability of a cat; the breed has its own."""
    subject = _part(scan, "subject")
    if subject is None:
        return failure(scan)
    is_cat = subject["label"] == subject["subject"]
    found = {"is_cat": is_cat, "confidence": subject["probability"], "message": "Image does not appear to be a cat"}
    if is_cat:
        breed = subject["breed"] or {"label": None, "probability": None}
        found |= {
            "breed": breed["label"],
            "breed_confidence": breed["probability"],
            "message": "Image validated as cat",
        }
    return found | {"threshold": subject["threshold"], **_where(scan)}


def detected(scan: Mapping[str, Any], links: Links) -> Json:
    """Where is its face? In pixels of the upright picture, whose size is told."""
    face = _part(scan, "face")
    if face is None:
        return failure(scan)
    return {
        "success": True,
        "detection": {**_detection(face), "class": "cat_face"},
        "crop_url": links("face"),
        "image": _part(scan, "image"),
        **_where(scan),
    }


def predicted(scan: Mapping[str, Any], links: Links) -> Json:
    """Everything; an area without an answer says why in place of one."""
    face, landmarks = _part(scan, "face"), _part(scan, "landmarks")
    findings = (scan["report"] or {}).get("findings", {})
    if face is None or landmarks is None or not any("label" in found for found in findings.values()):
        return failure(scan)
    report, inside, whole = scan["report"], landmarks["crop_points"], landmarks["points"]
    return {
        "success": True,
        "original_url": links("original"),
        "nobg_url": links("cutout"),
        "subject": _part(scan, "subject"),
        "image": report["image"],
        "face_detection": {**_detection(face), "url": links("face")},
        "landmarks": {name: [inside[name]["x"], inside[name]["y"]] for name in inside},
        "landmarks_in_image": {name: [whole[name]["x"], whole[name]["y"]] for name in whole},
        "landmarks_confidence": landmarks["confidence"],
        "classifications": {area: _classified(area, findings[area], links) for area in AREAS},
        "needs_review": [area for area in AREAS if findings[area].get("needs_review")],
        "preview_url": links("preview"),
        "health_score": report["health_score"],
        "health_score_formula": report["health_score_formula"],
        "warnings": report["warnings"],
        **_where(scan),
    }


def failure(scan: Mapping[str, Any]) -> Json:
    """The first stage that did not end well says why."""
    trouble = next((stage for stage in scan["stages"] if stage["state"] in _TROUBLE), None)
    code = (trouble["code"] if trouble else None) or scan["code"] or "INTERNAL_ERROR"
    detail = ((scan["report"] or {}).get("stages", {}).get(trouble["name"], {}) if trouble else {}).get("detail", {})
    return {
        "success": False,
        "error": seed_code(code),
        "code": code,
        "message": sentence(code),
        "confidence": detail.get("probability", detail.get("confidence")),
        **_where(scan),
    }


def _part(scan: Mapping[str, Any], name: str) -> Json | None:
    found: Json | None = (scan["report"] or {}).get(name)
    return found


def _detection(face: Mapping[str, Any]) -> Json:
    box = face["box"]
    return {
        "bbox": [box["x"], box["y"], box["width"], box["height"]],
        "confidence": face["confidence"],
        "detected_on": face["detected_on"],
    }


def _classified(area: str, found: Mapping[str, Any], links: Links) -> Json:
    answered = "label" in found
    told = {
        "class": found.get("label"),
        "confidence": found.get("confidence"),
        "probabilities": found.get("probabilities"),
        "needs_review": found.get("needs_review", False),
        "crop_url": links(f"crop_{area}"),
        "gradcam_url": links(f"heatmap_{area}"),
    }
    return told if answered else {**told, "error": seed_code(found["code"]), "code": found["code"]}


def _where(scan: Mapping[str, Any]) -> Json:
    """What every answer ends with: the scan, how it ended, and the seconds from its submit to its end."""
    began, ended = datetime.fromisoformat(scan["created_at"]), datetime.fromisoformat(scan["finished_at"])
    return {
        "processing_time": round((ended - began).total_seconds(), 3),
        "scan_id": scan["id"],
        "status": scan["status"],
    }
