"""The shape of a plan for doing a batch again: a part of those in ``api.schemas``."""

from __future__ import annotations

from api.batch_schemas import NUMBER
from api.schemas import COUNT, SCHEMAS, TEXT, UUID, shape

PLAN = "ReprocessPlan"
TEXTS = {"type": "array", "items": TEXT}
CHANGES = ["new", "version", "parameters", "model", "needs", "reuse", "option"]
_SPAN = shape({"least": COUNT, "most": COUNT})
_SECONDS = {
    **shape({"likely": NUMBER, "from": NUMBER, "to": NUMBER}),
    "type": ["object", "null"],
    "description": "from recorded durations; null where none is known",
}
_STAGE = shape(
    {
        "name": TEXT,
        "changed": {"type": "array", "items": {"type": "string", "enum": CHANGES}},
        "follows": {**TEXTS, "description": "changed stages that this one depends on"},
        "computed": _SPAN,
        "reused": _SPAN,
        "skipped": _SPAN,
        "seconds": _SECONDS,
    }
)

SCHEMAS |= {
    PLAN: shape(
        {
            "batch_id": UUID,
            "pipeline_version": {**TEXT, "description": "today's"},
            "exact": {"type": "boolean", "description": "false: a long batch, counts are scaled up from a sample"},
            "lines": COUNT,
            "scans": COUNT,
            "refused": {**COUNT, "description": "lines that never were scans, and stay so"},
            "input_missing": {**COUNT, "description": "lines whose picture is deleted; no stage below counts them"},
            "computed": {**_SPAN, "description": "stage runs"},
            "reused": _SPAN,
            "work_s": {**_SECONDS, "description": "of the stages' own work, one after another"},
            "slots": {**COUNT, "description": "workers there are"},
            "time_s": {**_SECONDS, "description": "work_s shared by the slots, with nothing else to do"},
            "gone": {**TEXTS, "description": "stages that today's pipeline does not have"},
            "stages": {"type": "array", "items": _STAGE},
        }
    ),
}
