"""The operations that compare two batches, and their shapes: parts of the tables in ``api.operations`` and ``api.schemas``."""

from __future__ import annotations

from api import batch_diff
from api.batch_schemas import ENDS, MAYBE_SHARE
from api.operation import Answer, Operation, Parameter, answer
from api.schemas import COUNT, SCHEMAS, TEXT, UUID, shape
from pipeline import errors

_BEFORE = Parameter("batch_id", "path", "A batch's id", {"type": "string", "format": "uuid"})
_AFTER = Parameter("other_id", "path", "The batch to compare it with", {"type": "string", "format": "uuid"})
_LIMITS = tuple(
    Parameter(name, "query", f"Limit of the verdict: {what}", {"type": "number", "minimum": least, "maximum": 1})
    for name, what, least in (
        ("max_flips", "share of labels that changed", 0),
        ("max_ends", "share of lines with another status", 0),
        ("max_shift", "mean shift of the probabilities", 0),
        ("min_iou", "mean overlap of the face boxes", 0),
        ("min_likeness", "mean likeness of the heat maps", -1),
    )
)
_ERRORS = (errors.NotFound, errors.InvalidField, errors.Overloaded)
_PATH = "/v1/batches/<batch_id>/diff/<other_id>"

_MAYBE_LIKENESS = {"type": ["number", "null"], "minimum": -1, "maximum": 1}
_PAIR = shape({"before": {"type": ["string", "null"]}, "after": {"type": ["string", "null"]}, "n": COUNT})
_PAIRS = {"type": "array", "items": _PAIR}
_REGION = shape(
    {
        "compared": COUNT,
        "flipped": COUNT,
        "flips": _PAIRS,
        "labels": {**_PAIRS, "description": "before and after, those that stayed too"},
        "mean_shift": MAYBE_SHARE,
        "greatest_shift": MAYBE_SHARE,
        "leanings": {
            "type": ["array", "null"],
            "items": COUNT,
            "description": "histogram over -1..1: what the label that was likeliest before has won or lost",
        },
        "maps_compared": COUNT,
        "mean_likeness": _MAYBE_LIKENESS,
        "least_likeness": _MAYBE_LIKENESS,
    }
)

SCHEMAS |= {
    "BatchDiff": shape(
        {
            "before": UUID,
            "after": UUID,
            "lines": COUNT,
            "only_before": COUNT,
            "only_after": COUNT,
            "flips": {**MAYBE_SHARE, "description": "of the labels compared"},
            "ends": {**MAYBE_SHARE, "description": "of the lines: another status"},
            "shift": {**MAYBE_SHARE, "description": "mean total variation distance of the probabilities"},
            "iou": {**MAYBE_SHARE, "description": "mean overlap of the face boxes"},
            "likeness": {**_MAYBE_LIKENESS, "description": "mean Pearson correlation of the heat maps' warm parts"},
            "statuses": {"type": "array", "items": shape({"before": ENDS, "after": ENDS, "n": COUNT})},
            "regions": {"type": "object", "additionalProperties": _REGION},
            "worst": {"type": "array", "items": {"type": "object"}},
            "pass": {"type": "boolean"},
            "exceeded": {"type": "array", "items": TEXT},
        }
    ),
}

BATCH_DIFF_OPERATIONS = (
    Operation(
        method="GET",
        path=_PATH,
        handler=batch_diff.diff_batches,
        tag="batches",
        summary="What changed between two batches",
        scope="scans:read",
        parameters=(_BEFORE, _AFTER, *_LIMITS),
        answers={200: answer("BatchDiff", "The difference, and whether it is within the limits")},
        errors=_ERRORS,
    ),
    Operation(
        method="GET",
        path=f"{_PATH}/lines",
        handler=batch_diff.diff_lines,
        tag="batches",
        summary="Every changed line as a table",
        scope="scans:read",
        parameters=(_BEFORE, _AFTER),
        answers={200: Answer("The file", {"text/csv": TEXT})},
        errors=_ERRORS,
    ),
    Operation(
        method="GET",
        path=f"{_PATH}/page",
        handler=batch_diff.diff_page_of,
        tag="batches",
        summary="The difference to look at",
        scope="scans:read",
        parameters=(_BEFORE, _AFTER, *_LIMITS),
        answers={200: Answer("A page", {"text/html": TEXT})},
        errors=_ERRORS,
    ),
)
