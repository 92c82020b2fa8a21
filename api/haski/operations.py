"""The seed's operations and shapes: a part of the table in ``api.operations``."""

from __future__ import annotations

from typing import Any

from api.haski import calls
from api.operation import Operation, Parameter, answer
from api.scan_operations import ID, IDEMPOTENCY, SUBMIT_ERRORS
from api.schemas import STATUS, TEXT, UUID, ref, shape
from pipeline import errors
from pipeline.skin_analysis import HEADS

Json = dict[str, Any]

_SHARE: Json = {"type": "number", "minimum": 0, "maximum": 1}
_PREFER = Parameter("Prefer", "header", "respond-async: answer 202 at once; wait=N: after N seconds at most")
_WHERE = {"Location": "Where the analysis is, or will be"}
_ENDS = (
    *(errors.DecodeTimeout, errors.DecodeMemoryLimit, errors.DecoderCrash),
    *(errors.ModelUnavailable, errors.ModelLoadError, errors.ModelOutputInvalid, errors.ModelRunFailed),
    *(errors.ModelOutOfMemory, errors.PoisonInput, errors.AttemptsExhausted, errors.StageTimeout),
)
"""How a scan may end without an analysis; every other code of the taxonomy is possible, too."""

HASKI_SCHEMAS: Json = {
    "HaskiPicture": shape({"file": {"type": "string", "format": "binary"}}),
    "HaskiSource": {
        **shape({}, optional={"image_url": {**TEXT, "format": "uri"}, "object_key": TEXT}),
        "oneOf": [{"required": ["image_url"]}, {"required": ["object_key"]}],
    },
    "HaskiPending": shape({"scan_id": UUID, "status": STATUS, "poll_url": TEXT}),
    "HaskiAnalysis": shape(
        {
            "skin_type": {"enum": ["normal", "dry", "oily", "combination", "sensitive"]},
            "hair_type": {"enum": ["straight", "wavy", "curly", "coily"]},
            "conditions_detected": {
                "type": "array",
                "items": {"enum": ["mild_acne", "severe_acne", "eczema", "psoriasis"]},
                "maxItems": 1,
                "description": "empty when the likeliest condition is healthy",
            },
            "confidence_scores": shape(dict.fromkeys(HEADS, _SHARE)),
            "model_version": TEXT,
            "model_type": {"enum": ["tflite", "onnx", "mock"], "description": "the one that answered"},
            "model": {"type": "object", "description": "its name, version, digest, pack and runtime"},
            "needs_review": {"type": "array", "items": {"enum": list(HEADS)}, "description": "too close to call"},
            "warnings": {"type": "array", "items": {"type": "object"}},
            "scan_id": UUID,
            "status": STATUS,
        }
    ),
}

HASKI_OPERATIONS = (
    Operation(
        method="POST",
        path="/api/v1/analyze",
        handler=calls.analyze,
        tag="haski",
        summary="Types of skin and hair, and a condition",
        scope="scans:write",
        parameters=(IDEMPOTENCY, _PREFER),
        body={"multipart/form-data": ref("HaskiPicture"), "application/json": ref("HaskiSource")},
        answers={
            200: answer("HaskiAnalysis", "The analysis", **_WHERE),
            202: answer("HaskiPending", "Accepted; look again at poll_url", **_WHERE),
        },
        errors=tuple(dict.fromkeys((*SUBMIT_ERRORS, *_ENDS))),
    ),
    Operation(
        method="GET",
        path="/api/v1/analyze/<scan_id>",
        handler=calls.analysis_result,
        tag="haski",
        summary="An analysis that took longer",
        scope="scans:read",
        parameters=(ID,),
        answers={
            200: answer("HaskiAnalysis", "The analysis", **_WHERE),
            202: answer("HaskiPending", "Not yet", **_WHERE),
        },
        errors=(errors.NotFound, errors.CorruptImage, errors.TruncatedImage, *_ENDS),
    ),
)
