"""The seed's operations: a part of the table in ``api.operations``."""

from __future__ import annotations

from api.flarenet import batch_calls, calls
from api.flarenet.schemas import FLARENET_SCHEMAS, PICTURE, PICTURES, SHARE
from api.operation import Answer, Operation, Parameter, answer
from api.scan_operations import ID, IDEMPOTENCY, SUBMIT_ERRORS
from api.schemas import TEXT, ref
from pipeline import errors

__all__ = ["FLARENET_OPERATIONS", "FLARENET_SCHEMAS"]

_PREFER = Parameter("Prefer", "header", "respond-async: answer 202 at once; wait=N: after N seconds at most")
_THRESHOLD = Parameter("threshold", "query", "Score from which on is_anomalous is true", SHARE)
_TYPE = Parameter("asset_type", "query", "Ask for that type's own memory", TEXT)
_BATCH = Parameter("batch_id", "path", "The id that batch-detect gave", {"type": "string", "format": "uuid"})
_WHERE = {"Location": "Where the answer is, or will be"}
_ENDS = (
    *(errors.DecodeTimeout, errors.DecodeMemoryLimit, errors.DecoderCrash),
    *(errors.ModelUnavailable, errors.ModelLoadError, errors.ModelOutputInvalid, errors.ModelRunFailed),
    *(
        errors.AssetTypeUnknown,
        errors.ModelOutOfMemory,
        errors.PoisonInput,
        errors.AttemptsExhausted,
        errors.StageTimeout,
    ),
)
"""How a scan may end without a score; every other code of the taxonomy is possible, too."""


def _answers(found: str, shape: str, pending: str) -> dict[int, Answer]:
    return {
        200: answer(shape, found, **_WHERE),
        202: answer(pending, "Not yet; look again at poll_url", **_WHERE),
    }


FLARENET_OPERATIONS = (
    Operation(
        method="POST",
        path="/api/v1/detect-anomaly",
        handler=calls.detect_anomaly,
        tag="flarenet",
        summary="How odd is a thermogram, and where?",
        scope="scans:write",
        parameters=(IDEMPOTENCY, _PREFER),
        body={"multipart/form-data": PICTURE, "application/json": ref("FlarenetSource")},
        answers=_answers("Score, band, boxes", "FlarenetAnomaly", "FlarenetPending"),
        errors=tuple(dict.fromkeys((*SUBMIT_ERRORS, *_ENDS))),
    ),
    Operation(
        method="GET",
        path="/api/v1/detect-anomaly/<scan_id>",
        handler=calls.anomaly_result,
        tag="flarenet",
        summary="The answer of a call that took longer",
        scope="scans:read",
        parameters=(ID, _THRESHOLD),
        answers=_answers("Score, band, boxes", "FlarenetAnomaly", "FlarenetPending"),
        errors=(errors.NotFound, errors.InvalidField, errors.CorruptImage, errors.TruncatedImage, *_ENDS),
    ),
    Operation(
        method="POST",
        path="/api/v1/batch-detect",
        handler=batch_calls.batch_detect,
        tag="flarenet",
        summary="Several thermograms at once, together no larger than one may be",
        scope="scans:write",
        parameters=(IDEMPOTENCY,),
        body={"multipart/form-data": PICTURES},
        answers=_answers("All have ended", "FlarenetBatch", "FlarenetBatch"),
        errors=SUBMIT_ERRORS,
    ),
    Operation(
        method="GET",
        path="/api/v1/batch-detect/<batch_id>",
        handler=batch_calls.batch_detect_result,
        tag="flarenet",
        summary="What became of them",
        scope="scans:read",
        parameters=(_BATCH, _THRESHOLD),
        answers=_answers("All have ended", "FlarenetBatch", "FlarenetBatch"),
        errors=(errors.NotFound, errors.InvalidField),
    ),
    Operation(
        method="GET",
        path="/api/v1/model-info",
        handler=calls.model_info,
        tag="flarenet",
        summary="The memory that new scans are compared with",
        scope="scans:read",
        parameters=(_TYPE,),
        answers={200: answer("FlarenetModel", "The current version")},
        errors=(errors.ModelUnavailable, errors.InvalidField),
    ),
)
