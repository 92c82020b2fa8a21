"""The seed's operations: a part of the table in ``api.operations``."""

from __future__ import annotations

from api.operation import Answer, Operation, Parameter
from api.rescat import calls
from api.rescat.schemas import CROP, PREDICTING, form, sent
from api.scan_operations import ID, IDEMPOTENCY, SUBMIT_ERRORS
from api.schemas import ref
from pipeline import errors

_PREFER = Parameter(
    "Prefer",
    "header",
    "respond-async: answer 202 at once; wait=N: after N seconds at most. Without: as long as the server lets anyone wait",
)
_WHERE = {"Location": "Where the answer is, or will be, in the same shape"}


def _answers(shape: str, found: str) -> dict[int, Answer]:
    shapes = {"anyOf": [ref(shape), ref("RescatFailure")]}
    return {
        200: Answer(found, {"application/json": shapes}, _WHERE),
        202: Answer("Accepted; look again at poll_url", {"application/json": ref("RescatPending")}, _WHERE),
    }


RESCAT_OPERATIONS = (
    *(
        Operation(
            method="POST",
            path=path,
            handler=handler,
            tag="rescat",
            summary=summary,
            scope="scans:write",
            parameters=(IDEMPOTENCY, _PREFER),
            body={"multipart/form-data": form(switches), "application/json": sent(switches)},
            answers=_answers(shape, found),
            errors=SUBMIT_ERRORS,
        )
        for path, handler, summary, switches, shape, found in (
            ("/api/validate", calls.validate_cat, "Is it a cat?", {}, "RescatValidated", "Yes or no, and how sure"),
            (
                "/api/detect-face",
                calls.detect_face,
                "Where is its face?",
                CROP,
                "RescatDetected",
                "The face, or why not",
            ),
            ("/api/predict", calls.predict, "Scan a cat's face", PREDICTING, "RescatPredicted", "Findings, or why not"),
        )
    ),
    Operation(
        method="GET",
        path="/api/results/<scan_id>",
        handler=calls.result,
        tag="rescat",
        summary="The answer of a call that took longer",
        scope="scans:read",
        parameters=(ID,),
        answers={
            **_answers("RescatPredicted", "The answer, in the shape of its call"),
            200: Answer(
                "The answer, in the shape of its call",
                {
                    "application/json": {
                        "anyOf": [ref(f"Rescat{shape}") for shape in ("Validated", "Detected", "Predicted", "Failure")]
                    }
                },
                _WHERE,
            ),
        },
        errors=(errors.NotFound,),
    ),
    Operation(
        method="GET",
        path="/files/<bucket>/<name>",
        handler=calls.get_bucket_file,
        tag="rescat",
        summary="Download a file by the seed's bucket",
        scope="scans:read",
        parameters=(
            Parameter("bucket", "path", "original-photo, remove-bg, roi-face-cat, <area>_crop, result …"),
            Parameter("name", "path", "The scan's id; in result the id, a hyphen and the area"),
        ),
        answers={302: Answer("To a link that lives for minutes", headers={"Location": "The link"})},
        errors=(errors.NotFound, errors.ArtifactExpired),
    ),
)
