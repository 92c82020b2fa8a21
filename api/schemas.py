"""The shapes of what goes in and out, as JSON Schema."""

from __future__ import annotations

from typing import Any

from db.tenants import SCOPES
from pipeline.contracts import NUMBER_OPTIONS, Lane, RunState, ScanStatus, System

Json = dict[str, Any]


def ref(name: str) -> Json:
    """A reference to a shape below."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(items: Json) -> Json:
    """An object with a list of items."""
    return shape({"items": {"type": "array", "items": items}})


def shape(properties: Json, *, optional: Json | None = None, description: str | None = None) -> Json:
    """A closed object: every property required but the optional ones, nothing else allowed."""
    made: Json = {"type": "object", "properties": {**properties, **(optional or {})}, "additionalProperties": False}
    made["required"] = list(properties)
    if description:
        made["description"] = description
    return made


TEXT: Json = {"type": "string"}
MAYBE_TEXT: Json = {"type": ["string", "null"]}
UUID: Json = {"type": "string", "format": "uuid"}
TIME: Json = {"type": "string", "format": "date-time"}
MAYBE_TIME: Json = {"type": ["string", "null"], "format": "date-time"}
COUNT: Json = {"type": "integer", "minimum": 0}
SHA256: Json = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
STATUS: Json = {"type": "string", "enum": [str(status) for status in ScanStatus]}
SYSTEM: Json = {"type": "string", "enum": [str(system) for system in System]}
OPTION_NUMBERS: Json = {
    name: {"type": "number", "minimum": least, "maximum": most} for name, (least, most) in NUMBER_OPTIONS.items()
}
SWITCHES: Json = {
    "type": "object",
    "properties": OPTION_NUMBERS,
    "additionalProperties": {"type": ["boolean", "string"]},
    "description": "switches by name; asset_type of thermal is a name",
}
PRIORITY: Json = {"type": "string", "enum": [lane.name.lower() for lane in Lane], "default": "interactive"}

CONSENT_WISH: Json = {
    **shape({"training": {"type": "boolean"}}, description="whether the picture may be used for training"),
    "type": ["object", "null"],
}
CONSENT_TEXT: Json = {**TEXT, "description": 'as JSON: {"training": true} lets the picture be used for training'}
CONSENT: Json = shape(
    {
        "training": {"type": ["boolean", "null"], "description": "null: nothing was said, so it is not used"},
        "at": MAYBE_TIME,
        "by": {**MAYBE_TEXT, "description": "the key's id; operator: on the command line of the installation"},
    }
)
ABOUT: Json = {
    "asset_id": {
        **TEXT,
        "minLength": 1,
        "maxLength": 200,
        "description": "your name for what the picture shows; its scans make a trend",
    },
    "taken_at": {**TIME, "description": "when it was taken; when it came, if not given"},
}

ARTIFACT = shape({"name": TEXT, "sha256": SHA256, "size": COUNT, "media_type": TEXT, "expired": {"type": "boolean"}})
_STAGE = shape(
    {
        "name": TEXT,
        "state": {"type": "string", "enum": [str(state) for state in RunState]},
        "code": MAYBE_TEXT,
        "attempts": COUNT,
        "reused": {"type": "boolean"},
        "started_at": MAYBE_TIME,
        "finished_at": MAYBE_TIME,
        "compute_ms": {"type": ["number", "null"], "minimum": 0},
        "models": {"type": "object", "description": "the models that answered, by name"},
    }
)

_SUMMARY: Json = {
    "id": UUID,
    "system": SYSTEM,
    "status": STATUS,
    "code": MAYBE_TEXT,
    "filename": MAYBE_TEXT,
    "asset_id": MAYBE_TEXT,
    "taken_at": MAYBE_TIME,
    "options": SWITCHES,
    "priority": PRIORITY,
    "pipeline_version": TEXT,
    "retry_of": {"type": ["string", "null"], "format": "uuid"},
    "consent": CONSENT,
    "created_at": TIME,
    "started_at": MAYBE_TIME,
    "finished_at": MAYBE_TIME,
}

SCHEMAS: Json = {
    "Problem": shape(
        {
            "type": {**TEXT, "format": "uri-reference"},
            "title": TEXT,
            "status": {"type": "integer"},
            "code": TEXT,
            "detail": TEXT,
            "id": {"type": "null", "description": "no scan came of this request"},
            "request_id": TEXT,
            "retryable": {"type": "boolean"},
        },
        optional={
            "errors": {"type": "array", "items": shape({"field": TEXT, "reason": TEXT})},
            "success": {"const": False, "description": "on a seed's path"},
            "error": {**TEXT, "description": "on a seed's path: the seed's code"},
            "message": {**TEXT, "description": "on a seed's path"},
        },
        description="Every refusal has this shape.",
    ),
    "Upload": shape(
        {"file": {"type": "string", "format": "binary"}},
        optional={
            "pipeline": {**SYSTEM, "default": "cat_face"},
            "options": {**TEXT, "description": "a JSON object of switches"},
            "priority": PRIORITY,
            "consent": CONSENT_TEXT,
            **ABOUT,
        },
    ),
    "Reference": {
        **shape(
            {},
            optional={
                "image_url": {**TEXT, "format": "uri"},
                "object_key": {**TEXT, "description": "of an object below your own prefix"},
                "pipeline": {**SYSTEM, "default": "cat_face"},
                "options": SWITCHES,
                "priority": PRIORITY,
                "consent": CONSENT_WISH,
                **ABOUT,
            },
        ),
        "oneOf": [{"required": ["image_url"]}, {"required": ["object_key"]}],
    },
    "Accepted": shape({"id": UUID, "status": STATUS}),
    "ScanSummary": shape(_SUMMARY),
    "Scan": shape(
        {
            **_SUMMARY,
            "report": {"type": ["object", "null"], "description": "the canonical report, when it was written"},
            "artifacts": {"type": "array", "items": ARTIFACT},
            "stages": {"type": "array", "items": _STAGE},
            "events_seq": {**COUNT, "description": "number of the newest event"},
        }
    ),
    "Link": shape(
        {"name": TEXT, "url": TEXT, "expires_in_s": COUNT, "sha256": SHA256, "size": COUNT, "media_type": TEXT}
    ),
    "Key": shape(
        {
            "id": TEXT,
            "name": TEXT,
            "scopes": {"type": "array", "items": TEXT},
            "created_at": TIME,
            "expires_at": MAYBE_TIME,
            "revoked_at": MAYBE_TIME,
            "last_used_at": MAYBE_TIME,
        }
    ),
    "NewKey": shape(
        {
            "name": {**TEXT, "minLength": 1, "maxLength": 100},
            "scopes": {"type": "array", "minItems": 1, "items": {"type": "string", "enum": sorted(SCOPES)}},
        },
        optional={"expires_in_days": {"type": ["integer", "null"], "minimum": 1, "maximum": 3650}},
    ),
    "MadeKey": shape({"id": TEXT, "name": TEXT, "scopes": {"type": "array", "items": TEXT}, "token": TEXT}),
    "Pipeline": shape(
        {
            "system": SYSTEM,
            "version": TEXT,
            "created_at": TIME,
            "stages": {"type": "array", "items": {"type": "object"}},
        }
    ),
    "System": shape(
        {
            "version": TEXT,
            "scans": shape({"submitted": COUNT, **{str(status): COUNT for status in ScanStatus}, "deleted": COUNT}),
        }
    ),
    "Health": shape(
        {
            "status": {"const": "healthy"},
            "version": TEXT,
            "models_loaded": {
                "type": ["boolean", "null"],
                "description": "whether a worker that runs the published stages is there; null while nobody can tell",
            },
        }
    ),
    "Ready": shape(
        {
            "status": {"type": "string", "enum": ["ready", "degraded", "not ready"]},
            "checks": {"type": "object", "additionalProperties": {"type": "boolean"}},
        }
    ),
}
