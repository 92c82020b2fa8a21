"""A report of the system ``thermal`` in the words of the service that it grew from. Stdlib only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

Json = dict[str, Any]

BANDS: Final = ("Normal", "Potential", "Overloway", "Faulty")
TYPES: Final = ("Moderate", "Critical")
WORDS: Final = (("Low", 0.0), ("Medium", 0.2), ("High", 0.5))
"""What a confidence from that number on is called."""
DETECTED: Final = "detect_anomalies"
MEASURED: Final = "measure_temperatures"
MODEL: Final = "thermal_patchcore"
TYPE: Final = "asset_type"
"""The scan option that says what equipment it is; a memory of that type's own is called ``thermal_patchcore_<type>``."""


def analysis(report: Mapping[str, Any], threshold: float | None = None) -> Json:
    """Rows S4.7 to S4.11 and S4.13 of a report whose picture was judged.

    ``anomaly_score`` 0..1, ``classification`` its band. ``is_anomalous`` compares the score with ``threshold``, the
    pipeline's own where none is given; bands do not move with it. ``confidence`` is the word for ``confidence_score``.
    ``temperatures`` is null where ``temperatures_code`` says why.
    """
    found = report["anomaly"]
    limit = found["threshold"] if threshold is None else threshold
    memory = found.get("memory", {"model": MODEL, TYPE: None})
    model = report["stages"][DETECTED]["models"][memory["model"]]
    return {
        "anomaly_score": found["score"],
        "classification": found["band"],
        "confidence": [word for word, start in WORDS if found["confidence"] >= start][-1],
        "confidence_score": found["confidence"],
        "is_anomalous": found["score"] >= limit,
        "threshold": limit,
        "bounding_boxes": [{key: box[key] for key in _BOX} for box in found["boxes"]],
        "boxes_found": found["boxes_found"],
        "raw_score": found["raw_score"],
        "scale": found["scale"],
        **_temperatures(report),
        "model_version": model["version"],
        "model": model,
        TYPE: memory[TYPE],
        "warnings": report["warnings"],
    }


def _temperatures(report: Mapping[str, Any]) -> Json:
    """Both null in a report that is older than temperatures; the step's code where it did not end well."""
    found = report.get("temperatures")
    if found is None:
        return {"temperatures": None, "temperatures_code": report["stages"].get(MEASURED, {}).get("code")}
    known = {key: value for key, value in found.items() if key != "code"}
    return {"temperatures": None if found["code"] else known, "temperatures_code": found["code"]}


_BOX: Final = ("x", "y", "width", "height", "confidence", "type")


def summary(classes: Iterable[str | None], ended: Iterable[bool]) -> Json:
    """Counts over the pictures of a batch that add up to all of them: each has a class, no answer, or has not ended.

    ``classes``: each picture's band, None where it has none; ``ended``: whether it has ended.
    """
    pairs = list(zip(classes, ended, strict=True))
    counts = {band: sum(name == band for name, _ in pairs) for band in BANDS}
    without = {
        "without_answer": sum(name is None and over for name, over in pairs),
        "pending": sum(name is None and not over for name, over in pairs),
    }
    return {
        "total_images": len(pairs),
        "counts": {**counts, **without},
        "faulty_count": counts["Faulty"],
        "normal_count": counts["Normal"],
    }
