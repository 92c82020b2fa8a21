"""The seed's operations and shapes: a part of the table in ``api.operations``."""

from __future__ import annotations

from typing import Any

from api.operation import Operation, Parameter, answer
from api.scan_operations import SUBMIT_ERRORS
from api.schemas import TEXT, UUID, ref, shape
from api.skincare import calls
from pipeline import errors

Json = dict[str, Any]

_ID = Parameter("scan_id", "path", "The id that init gave", {"type": "string", "format": "uuid"})
_PREFER = Parameter("Prefer", "header", "wait=N: answer with the results if they are there within N seconds")
_WHERE = {"Location": "Where the results are, or will be"}
_MEASURE: Json = {"type": "object", "description": "figures and the region they are of; or the code that says why not"}
_SHARE: Json = {"type": ["number", "null"], "minimum": 0, "maximum": 1}

SKINCARE_SCHEMAS: Json = {
    "SkincarePicture": shape({"file": {"type": "string", "format": "binary"}}),
    "SkincareScan": shape(
        {
            "scan_id": UUID,
            "status": {"enum": ["awaiting_upload", "queued", "running"]},
            "upload_url": TEXT,
            "results_url": TEXT,
        }
    ),
    "SkincareResults": shape(
        {
            "scan_id": UUID,
            "status": {"enum": ["completed", "partial"]},
            "ml_analysis": shape(
                {
                    "acne": {
                        "type": "object",
                        "description": "detected, confidence, label, probabilities, regions; or code",
                    },
                    "condition": {
                        "type": "object",
                        "description": "condition, confidence, probabilities, regions; or code",
                    },
                    "disagreement": {"type": ["boolean", "null"], "description": "null: one of them has no answer"},
                    "agreement": {"type": ["object", "null"]},
                }
            ),
            "cv_analysis": {
                "anyOf": [
                    shape(
                        {
                            "skin_tone": _MEASURE,
                            "texture_quality": _MEASURE,
                            "wrinkles": _MEASURE,
                            "dark_circles": _MEASURE,
                            "skin_type": {
                                "type": "null",
                                "description": "not measured: the system skin_hair guesses it",
                            },
                        }
                    ),
                    shape({"code": {"type": ["string", "null"]}}),
                ]
            },
            "confidence": {**_SHARE, "description": "the lower of the networks' two"},
            "generated_at": {**TEXT, "format": "date-time"},
            "scan": {**UUID, "description": "the scan under /v1/scans"},
            "warnings": {"type": "array", "items": {"type": "object"}},
        }
    ),
}

_ENDS = (errors.NoFaceDetected, errors.ModelUnavailable, errors.ModelLoadError, errors.ModelOutputInvalid)

SKINCARE_OPERATIONS = (
    Operation(
        method="POST",
        path="/api/v1/scan/init",
        handler=calls.init_scan,
        tag="skincare",
        summary="Announce a scan of a face",
        scope="scans:write",
        answers={201: answer("SkincareScan", "Its id, and where the picture goes", **_WHERE)},
    ),
    Operation(
        method="POST",
        path="/api/v1/scan/<scan_id>/upload",
        handler=calls.upload_picture,
        tag="skincare",
        summary="Send the picture of an announced scan",
        scope="scans:write",
        parameters=(_ID, _PREFER),
        body={"multipart/form-data": ref("SkincarePicture")},
        answers={
            202: answer("SkincareScan", "Accepted", **_WHERE),
            200: answer("SkincareResults", "The results, if you waited for them"),
        },
        errors=tuple(dict.fromkeys((*SUBMIT_ERRORS, errors.NotFound, *_ENDS))),
    ),
    Operation(
        method="GET",
        path="/api/v1/scan/<scan_id>/results",
        handler=calls.scan_results,
        tag="skincare",
        summary="What an announced scan found",
        scope="scans:read",
        parameters=(_ID,),
        answers={
            200: answer("SkincareResults", "The results"),
            202: answer("SkincareScan", "Not yet", **_WHERE),
        },
        errors=(errors.NotFound, *_ENDS),
    ),
)
