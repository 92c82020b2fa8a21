"""The operations on drift, reviews and corrections: a part of the table in ``api.operations``."""

from __future__ import annotations

from api import corrections, drift, reviews
from api.cataract.drift import drift_status
from api.drift_schemas import DAY
from api.fields import MOST_ITEMS
from api.operation import Answer, Operation, Parameter, answer
from api.scan_operations import ID
from api.schemas import SYSTEM, TEXT, listed, ref
from pipeline import errors

_ALERT_ID = Parameter("alert_id", "path", "An alert's id", {"type": "string", "format": "uuid"})
_PIPELINE = Parameter("pipeline", "query", "Which system; cat_face unless given", SYSTEM)
_SOURCE = Parameter("source", "query", "One source: interactive, batch:NAME, folder:PATH, prefix:KEYS")
_BODY_ERRORS = (errors.InvalidJson, errors.InvalidField, errors.UnsupportedContentType, errors.PayloadTooLarge)
_REVIEW = (_PIPELINE, Parameter("alert", "query", "The days and the source of this alert"), _SOURCE)
_LIMIT = Parameter("limit", "query", "Scans at most", {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS})

DRIFT_OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/drift",
        handler=drift.get_drift,
        tag="drift",
        summary="Has anything changed lately?",
        scope="scans:read",
        parameters=(
            _PIPELINE,
            _SOURCE,
            *(
                Parameter(name, "query", words, DAY)
                for name, words in (
                    ("since", "First day that is compared"),
                    ("until", "The day after the last"),
                    ("reference_since", "First day of what it is compared with"),
                    ("reference_until", "The day after the last"),
                )
            ),
        ),
        answers={200: answer("Drift", "The comparison")},
        errors=(errors.InvalidField,),
    ),
    Operation(
        method="POST",
        path="/v1/drift/checks",
        handler=drift.check_drift,
        tag="drift",
        summary="Compare now, and open what drifted",
        scope="scans:write",
        body={"application/json": ref("DriftCheck")},
        answers={200: answer("DriftChecked", "The alerts that were opened")},
        errors=_BODY_ERRORS,
    ),
    Operation(
        method="GET",
        path="/v1/drift/alerts",
        handler=drift.list_alerts,
        tag="drift",
        summary="List alerts of drift",
        scope="scans:read",
        parameters=(
            Parameter("pipeline", "query", "Only those of a system", SYSTEM),
            Parameter("state", "query", "open unless given", {"enum": list(drift.STATES)}),
        ),
        answers={200: Answer("Alerts", {"application/json": listed(ref("DriftAlert"))})},
        errors=(errors.InvalidField,),
    ),
    Operation(
        method="GET",
        path="/v1/drift/alerts/<alert_id>",
        handler=drift.get_alert,
        tag="drift",
        summary="Look at an alert",
        scope="scans:read",
        parameters=(_ALERT_ID,),
        answers={200: answer("DriftAlert", "The alert")},
        errors=(errors.NotFound,),
    ),
    Operation(
        method="POST",
        path="/v1/drift/alerts/<alert_id>/close",
        handler=drift.close_alert,
        tag="drift",
        summary="Close an alert",
        scope="scans:write",
        parameters=(_ALERT_ID,),
        body={"application/json": ref("DriftClosing")},
        answers={200: answer("DriftAlert", "The alert as it is now")},
        errors=(*_BODY_ERRORS, errors.NotFound),
    ),
    Operation(
        method="GET",
        path="/v1/reviews",
        handler=reviews.list_reviews,
        tag="drift",
        summary="Which scans are worth a look?",
        scope="scans:read",
        parameters=(*_REVIEW, _LIMIT),
        answers={200: answer("Reviews", "The most doubtful first")},
        errors=(errors.InvalidField, errors.NotFound),
    ),
    Operation(
        method="GET",
        path="/v1/reviews/page",
        handler=reviews.get_review_page,
        tag="drift",
        summary="The same to look at",
        scope="scans:read",
        parameters=_REVIEW,
        answers={200: Answer("A page", {"text/html": TEXT})},
        errors=(errors.InvalidField, errors.NotFound),
    ),
    Operation(
        method="POST",
        path="/v1/scans/<scan_id>/corrections",
        handler=corrections.add_correction,
        tag="drift",
        summary="Say what a finding should have been",
        scope="scans:write",
        parameters=(ID,),
        body={"application/json": ref("NewCorrection")},
        answers={201: answer("Correction", "The correction")},
        errors=(*_BODY_ERRORS, errors.NotFound, errors.NotFinished),
    ),
    Operation(
        method="GET",
        path="/v1/corrections",
        handler=corrections.export_corrections,
        tag="drift",
        summary="Every correction, proposed for training",
        scope="scans:read",
        parameters=(_PIPELINE, Parameter("format", "query", "jsonl unless given", {"enum": list(corrections.WRITERS)})),
        answers={200: Answer("The file", {"application/x-ndjson": TEXT, "text/csv": TEXT})},
        errors=(errors.InvalidField, errors.Overloaded),
    ),
    Operation(
        method="GET",
        path="/drift_status",
        handler=drift_status,
        tag="cataract",
        summary="Have pictures, predictions or agreement changed?",
        scope="scans:read",
        answers={200: answer("CataractDrift", "Three kinds of drift, kept apart")},
        errors=(errors.InvalidField,),
    ),
)
