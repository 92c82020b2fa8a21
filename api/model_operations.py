"""The operations on model versions and their shapes: a part of the table in ``api.operations``."""

from __future__ import annotations

from api import models
from api.operation import Answer, Operation, Parameter, answer
from api.schemas import COUNT, MAYBE_TEXT, MAYBE_TIME, SCHEMAS, SHA256, TEXT, TIME, listed, ref, shape
from pipeline import errors

MAYBE_DIGEST = {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"}
KIND = {"type": "string", "enum": ["promote", "rollback"]}
TRUTH = {"type": "boolean"}
WHY = {"type": ["string", "null"], "maxLength": models.LONGEST_TEXT}

SCHEMAS |= {
    "Model": shape(
        {
            "name": TEXT,
            "current": {**MAYBE_DIGEST, "description": "digest of the version that new scans get"},
            "version": MAYBE_TEXT,
            "versions": COUNT,
        }
    ),
    "ModelVersion": shape(
        {
            "name": TEXT,
            "version": TEXT,
            "digest": {**SHA256, "description": "names its exact behaviour: file, input, labels, thresholds"},
            "sha256": SHA256,
            "size": {**COUNT, "description": "bytes; 0 until storage has the file"},
            "pack": TEXT,
            "runtime": TEXT,
            "task": TEXT,
            "licence": TEXT,
            "labels": {"type": "object"},
            "thresholds": {"type": "object"},
            "goldens": {**COUNT, "description": "golden pictures it must reproduce; without any it is not promoted"},
            "current": TRUTH,
            "stored": TRUTH,
            "state": {"type": "string", "enum": ["registered", "verified", "refused"]},
            "code": MAYBE_TEXT,
            "detail": MAYBE_TEXT,
            "created_at": TIME,
            "verified_at": MAYBE_TIME,
        }
    ),
    "ModelPromotion": shape(
        {
            "id": COUNT,
            "name": TEXT,
            "kind": KIND,
            "digest": SHA256,
            "previous": MAYBE_DIGEST,
            "promoted_by": TEXT,
            "why": MAYBE_TEXT,
            "at": TIME,
        }
    ),
    "ModelRequest": shape(
        {
            "id": COUNT,
            "kind": KIND,
            "name": TEXT,
            "digest": MAYBE_DIGEST,
            "relabel": TRUTH,
            "asked_by": TEXT,
            "why": MAYBE_TEXT,
            "state": {"type": "string", "enum": ["asked", "done", "refused"]},
            "code": MAYBE_TEXT,
            "detail": MAYBE_TEXT,
            "attempts": COUNT,
            "asked_at": TIME,
            "finished_at": MAYBE_TIME,
        }
    ),
    "ModelVersions": shape(
        {
            "name": TEXT,
            "current": MAYBE_DIGEST,
            "items": {"type": "array", "items": ref("ModelVersion")},
            "history": {"type": "array", "items": ref("ModelPromotion")},
            "requests": {"type": "array", "items": ref("ModelRequest")},
        }
    ),
    "Promote": {
        **shape(
            {},
            optional={
                "version": {**TEXT, "minLength": 1},
                "digest": {**TEXT, "minLength": 8, "description": "or its first 8 digits or more"},
                "why": WHY,
                "new_labels": {**TRUTH, "default": False, "description": "other labels or outputs are meant"},
            },
        ),
        "oneOf": [{"required": ["version"]}, {"required": ["digest"]}],
    },
    "Rollback": shape({}, optional={"why": WHY}),
}

_NAME = Parameter("name", "path", "A model's name, as in its manifest")
_WHERE = {"Location": "Where the request can be followed"}
_BODY_ERRORS = (
    errors.InvalidJson,
    errors.InvalidField,
    errors.UnsupportedContentType,
    errors.PayloadTooLarge,
    errors.NotFound,
)

MODEL_OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/models",
        handler=models.list_models,
        tag="models",
        summary="Models and their current versions",
        scope="admin",
        answers={200: Answer("Models by name", {"application/json": listed(ref("Model"))})},
    ),
    Operation(
        method="GET",
        path="/v1/models/<name>/versions",
        handler=models.list_model_versions,
        tag="models",
        summary="A model's versions, history and requests",
        scope="admin",
        parameters=(_NAME,),
        answers={200: answer("ModelVersions", "The model")},
        errors=(errors.NotFound,),
    ),
    Operation(
        method="GET",
        path="/v1/models/<name>/card",
        handler=models.show_model_card,
        tag="models",
        summary="A model's card: what it is for, how good it is, where it is worse",
        scope="scans:read",
        parameters=(
            _NAME,
            Parameter(
                "version", "query", "Another than what new scans get: its version, or 8 digits of its digest or more"
            ),
        ),
        answers={200: Answer("The card, or NOT_FOUND where its pack brought none", {"text/markdown": TEXT})},
        errors=(errors.NotFound, errors.AmbiguousVersion),
    ),
    Operation(
        method="POST",
        path="/v1/models/<name>/promote",
        handler=models.promote_model,
        tag="models",
        summary="Make a version the one that new scans get",
        scope="admin",
        parameters=(_NAME,),
        body={"application/json": ref("Promote")},
        answers={202: answer("ModelRequest", "Written down; it is verified first", **_WHERE)},
        errors=(*_BODY_ERRORS, errors.AmbiguousVersion, errors.AlreadyCurrent),
    ),
    Operation(
        method="POST",
        path="/v1/models/<name>/rollback",
        handler=models.rollback_model,
        tag="models",
        summary="Go back to the version before",
        scope="admin",
        parameters=(_NAME,),
        body={"application/json": ref("Rollback")},
        answers={202: answer("ModelRequest", "Written down", **_WHERE)},
        errors=(*_BODY_ERRORS, errors.NoEarlierVersion),
    ),
)
