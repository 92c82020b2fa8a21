"""The shapes of batches, as JSON Schema: a part of those in ``api.schemas``."""

from __future__ import annotations

from api import batches
from api.batch_sources import MOST_GLOBS
from api.schemas import (
    ABOUT,
    ARTIFACT,
    CONSENT_TEXT,
    CONSENT_WISH,
    COUNT,
    MAYBE_TEXT,
    MAYBE_TIME,
    SCHEMAS,
    SWITCHES,
    SYSTEM,
    TEXT,
    TIME,
    UUID,
    ref,
    shape,
)
from pipeline.contracts import ScanStatus

NUMBER = {"type": "number", "minimum": 0}
MAYBE_SHARE = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
PRIORITY = {"type": "integer", "minimum": batches.PRIORITIES[0], "maximum": batches.PRIORITIES[1]}
BUDGET = {"type": ["integer", "null"], "minimum": 0, "description": "most scans that may fail; one more stops the rest"}
ENDS = {"type": "string", "enum": list(batches.ENDS)}
STATES = ["open", "listing", "running", "paused", "succeeded", "partial", "failed", "cancelled"]
FIELDS = {"type": ["object", "null"], "description": "your own; they come back with the results"}
SOURCE = {
    **shape(
        {},
        optional={
            "prefix": {
                **TEXT,
                "minLength": 0,
                "description": "your objects below it, as of object_key; empty: all of them",
            },
            "folder": {**TEXT, "description": "a folder of the server, below one of SCANMILL_BATCH_ROOTS"},
            "glob": {"type": "array", "items": TEXT, "minItems": 1, "maxItems": MOST_GLOBS},
            "since": {**UUID, "description": "only files that are new or have other bytes than in that batch"},
        },
    ),
    "oneOf": [{"required": ["prefix"]}, {"required": ["folder"]}],
}

_BATCH = {
    "id": UUID,
    "system": SYSTEM,
    "pipeline_version": TEXT,
    "parent": {"type": ["string", "null"], "format": "uuid", "description": "the batch that this one scans again"},
    "name": MAYBE_TEXT,
    "state": {"type": "string", "enum": STATES},
    "code": MAYBE_TEXT,
    "priority": PRIORITY,
    "failure_budget": BUDGET,
    "options": SWITCHES,
    "consent": shape({"training": {"type": ["boolean", "null"]}}, description="of lines without a word of their own"),
    "source": {"type": ["object", "null"], "description": "the folder or prefix that the service lists"},
    "listed": {"type": ["integer", "null"], "minimum": 0, "description": "lines looked at of source or parent"},
    "items": COUNT,
    "created_at": TIME,
    "finalised_at": MAYBE_TIME,
    "finished_at": MAYBE_TIME,
}
_COUNTS = shape({"items": COUNT, "refused": COUNT, **{str(status): COUNT for status in ScanStatus}, "deleted": COUNT})
_ETA = {**shape({"likely": NUMBER, "from": NUMBER, "to": NUMBER}), "type": ["object", "null"]}
_LINE = shape(
    {
        "n": COUNT,
        "custom_id": TEXT,
        "scan_id": {"type": ["string", "null"], "format": "uuid"},
        "status": ENDS,
        "code": MAYBE_TEXT,
        "stage": {**MAYBE_TEXT, "description": "where it ended otherwise than ok; submit: never scanned"},
        "finished_at": MAYBE_TIME,
        "sha256": {"type": ["string", "null"], "description": "of the uploaded bytes"},
        "fields": FIELDS,
        "asset_id": MAYBE_TEXT,
        "taken_at": MAYBE_TIME,
        "report": {"type": ["object", "null"]},
    }
)
_FILES = shape(
    {
        "n": COUNT,
        "custom_id": TEXT,
        "scan_id": {"type": ["string", "null"], "format": "uuid"},
        "artifacts": {"type": "array", "items": ARTIFACT},
    }
)
_SELECTOR = {
    "status": {"anyOf": [TEXT, {"type": "array", "items": TEXT}]},
    "code": TEXT,
    "stage": TEXT,
    "options": SWITCHES,
    "before": {
        **TIME,
        "description": "only scans that had ended by then, for instance a batch's as_of; now if not given",
    },
}

_PAGE = {"items": {"type": "array", "items": _LINE}, "next_cursor": MAYBE_TEXT}
_CODES = {"type": "array", "items": shape({"code": TEXT, "status": TEXT, "n": COUNT})}

SCHEMAS |= {
    "NewBatch": shape(
        {},
        optional={
            "pipeline": {**SYSTEM, "default": "cat_face"},
            "name": MAYBE_TEXT,
            "priority": PRIORITY,
            "failure_budget": BUDGET,
            "options": SWITCHES,
            "consent": CONSENT_WISH,
            "source": SOURCE,
        },
    ),
    "BatchSummary": shape(_BATCH),
    "BatchPage": shape({"items": {"type": "array", "items": ref("BatchSummary")}, "next_cursor": MAYBE_TEXT}),
    "BatchLines": shape(_PAGE),
    "BatchArtifacts": shape({"items": {"type": "array", "items": _FILES}, "next_cursor": MAYBE_TEXT}),
    "BatchErrors": shape({**_PAGE, "codes": _CODES}),
    "Batch": shape({**_BATCH, "counts": _COUNTS, "per_second": NUMBER, "eta_s": _ETA, "as_of": TIME}),
    "BatchUpload": shape(
        {"file": {"type": "string", "format": "binary"}},
        optional={
            "custom_id": {**TEXT, "description": "the file's name unless given"},
            "options": TEXT,
            "consent": CONSENT_TEXT,
            "fields": TEXT,
            **ABOUT,
        },
    ),
    "BatchItems": shape(
        {
            "items": {
                "type": "array",
                "minItems": 1,
                "maxItems": batches.MOST_ITEMS,
                "items": shape(
                    {"custom_id": {**TEXT, "maxLength": batches.LONGEST_ID}},
                    optional={
                        "image_url": {**TEXT, "format": "uri"},
                        "object_key": TEXT,
                        "options": SWITCHES,
                        "consent": CONSENT_WISH,
                        "fields": FIELDS,
                        **ABOUT,
                    },
                ),
            }
        }
    ),
    "BatchCopy": shape(
        {"prefix": TEXT}, optional={"names": {"type": "array", "items": TEXT, "maxItems": 50}, "cursor": MAYBE_TEXT}
    ),
    "BatchCopied": shape(
        {"copied": COUNT, "present": COUNT, "expired": COUNT, "lines": COUNT, "next_cursor": MAYBE_TEXT}
    ),
    "Appended": shape({"added": COUNT, "refused": COUNT, "known": COUNT, "items": COUNT}),
    "BatchRetry": shape({}, optional=_SELECTOR),
    "Retried": shape({"id": UUID, "retried": COUNT, "more": {"type": "boolean"}, "before": TIME}),
    "Reprocess": shape(
        {},
        optional={
            "name": MAYBE_TEXT,
            "options": SWITCHES,
            "dry_run": {"type": "boolean", "default": False, "description": "only say what would be computed"},
        },
    ),
    "BatchChange": shape({"priority": PRIORITY}),
}
