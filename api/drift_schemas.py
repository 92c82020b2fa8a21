"""The shapes of drift, reviews and corrections: a part of the table in ``api.schemas``."""

from __future__ import annotations

from typing import Any

from api import corrections, drift
from api.schemas import COUNT, MAYBE_TEXT, MAYBE_TIME, SCHEMAS, SYSTEM, TEXT, TIME, UUID, ref, shape
from pipeline.drift import Verdict
from pipeline.drift_figures import Kind

DAY: dict[str, Any] = {"type": "string", "format": "date"}
_MAYBE_DAY = {"type": ["string", "null"], "format": "date", "description": "null before the first day has been counted"}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_MAYBE_SHARE = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_KIND = {"enum": [str(kind) for kind in Kind]}
_VERDICT = {"enum": [str(verdict) for verdict in Verdict]}
_SUMMARY = {
    "type": ["object", "null"],
    "additionalProperties": {"type": "number"},
    "description": "shares of words; of a number median and mean",
}
_WINDOW = shape({"since": DAY, "until": {**DAY, "description": "not included"}, "scans": COUNT})
_CORRECTION = {
    "id": UUID,
    "scan_id": UUID,
    "finding": TEXT,
    "label": TEXT,
    "note": MAYBE_TEXT,
    "made_by": {**TEXT, "description": "the id of the key"},
    "created_at": TIME,
}
_NUMBERS = {
    "before": _SUMMARY,
    "after": _SUMMARY,
    "distance": {**_MAYBE_SHARE, "description": "largest difference of shares; null with too few"},
    "p": _MAYBE_SHARE,
    "p_adjusted": {**_MAYBE_SHARE, "description": "Holm's, over all tests of the comparison"},
    "n_reference": COUNT,
    "n_recent": COUNT,
}
_ALERT = {
    "id": UUID,
    "system": SYSTEM,
    "source": TEXT,
    "kind": _KIND,
    "measure": TEXT,
    **_NUMBERS,
    **dict.fromkeys(("reference_since", "reference_until", "since", "until"), DAY),
    "opened_at": TIME,
    "closed_at": MAYBE_TIME,
    "closed_by": MAYBE_TEXT,
    "note": MAYBE_TEXT,
}
_MEASURE = shape(
    {
        "source": TEXT,
        "kind": _KIND,
        "measure": TEXT,
        "verdict": _VERDICT,
        "test": {"enum": ["chi-squared", "kolmogorov-smirnov"]},
        **_NUMBERS,
        "least_distance": {**_SHARE, "description": "a smaller one is no drift, however certain"},
        "dispersion": {"type": "number", "minimum": 1, "description": "how much more days differ than chance has it"},
    }
)
_KIND_STATUS = shape(
    {"status": _VERDICT, "drifted": {"type": "array", "items": {"type": "object"}}, "open_alerts": COUNT}
)
_LOOK = shape(
    {
        "scan_id": UUID,
        "day": DAY,
        "source": TEXT,
        "uncertainty": _SHARE,
        "disagreement": _SHARE,
        "score": _SHARE,
        "filename": MAYBE_TEXT,
        "status": TEXT,
        "code": MAYBE_TEXT,
        "findings": {"type": "object"},
        "answers": {"type": "object", "description": "each model's probabilities, or its code"},
        "picture_url": TEXT,
        "corrections": {"type": "array", "items": ref("Correction")},
    }
)

SCHEMAS["Scan"]["properties"]["corrections"] = {
    "type": "array",
    "items": ref("Correction"),
    "description": "what people said of its findings, in order; told by GET",
}
SCHEMAS |= {
    "Correction": shape(_CORRECTION),
    "NewCorrection": shape(
        {"finding": TEXT, "label": {**TEXT, "description": "a label of the finding, or unusable"}},
        optional={"note": {**MAYBE_TEXT, "maxLength": corrections.LONGEST_NOTE}},
    ),
    "DriftAlert": shape(_ALERT),
    "DriftCheck": shape({}, optional={"pipeline": SYSTEM}),
    "DriftChecked": shape({"counted_until": _MAYBE_DAY, "opened": {"type": "array", "items": ref("DriftAlert")}}),
    "DriftClosing": shape({}, optional={"note": {**MAYBE_TEXT, "maxLength": drift.LONGEST_NOTE}}),
    "Drift": shape(
        {
            "pipeline": SYSTEM,
            "source": MAYBE_TEXT,
            "counted_until": _MAYBE_DAY,
            "reference": _WINDOW,
            "recent": _WINDOW,
            "least": COUNT,
            "alpha": _SHARE,
            "measures": {"type": "array", "items": _MEASURE},
            "days": {
                "type": "array",
                "items": shape({"day": DAY, "source": TEXT, "scans": COUNT, "measures": {"type": "object"}}),
            },
            "alerts": {"type": "array", "items": ref("DriftAlert")},
        }
    ),
    "Reviews": shape(
        {
            "pipeline": SYSTEM,
            "source": TEXT,
            "alerts": {"type": "array", "items": ref("DriftAlert")},
            "since": DAY,
            "until": DAY,
            "items": {"type": "array", "items": _LOOK},
        }
    ),
    "CataractDrift": shape(
        {
            "drift_detected": {"type": "boolean"},
            **{str(kind): _KIND_STATUS for kind in Kind},
            "reference": _WINDOW,
            "recent": _WINDOW,
            "counted_until": _MAYBE_DAY,
            "review_url": TEXT,
        }
    ),
}
