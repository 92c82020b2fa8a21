"""The seed's operations: a part of the table in ``api.operations``."""

from __future__ import annotations

from api.cataract import calls, training
from api.operation import Operation, Parameter, answer
from api.scan_operations import ID, IDEMPOTENCY, SUBMIT_ERRORS
from api.schemas import ref
from api.training_operations import TRAINING_KEY
from pipeline import errors

_PREFER = Parameter("Prefer", "header", "respond-async: answer 202 at once; wait=N: after N seconds at most")
_BATCH = Parameter("batch_id", "path", "A batch's id", {"type": "string", "format": "uuid"})
_WHERE = {"Location": "Where the answer is, or will be"}
_TRAINING = {"Location": "The training's address"}
_ENDS = (
    *(errors.NotAnEye, errors.FindingUndecided, errors.PoisonInput, errors.AttemptsExhausted, errors.StageTimeout),
    *(errors.ModelUnavailable, errors.ModelLoadError, errors.ModelOutputInvalid, errors.ModelRunFailed),
)
"""How a scan may end without a prediction; every other code of the taxonomy is possible, too."""
_ANSWERS = {
    200: answer("CataractPrediction", "The prediction", **_WHERE),
    202: answer("CataractPending", "Not yet; look again at poll_url", **_WHERE),
}
_LINES = {
    200: answer("CataractBatch", "All lines have ended", **_WHERE),
    202: answer("CataractBatch", "Not yet; look again at poll_url", **_WHERE),
}

CATARACT_OPERATIONS = (
    *(
        Operation(
            method="POST",
            path=path,
            handler=handler,
            tag="cataract",
            summary=summary,
            scope="scans:write",
            parameters=(IDEMPOTENCY, _PREFER),
            body={"multipart/form-data": ref("CataractPicture"), "application/json": ref("CataractSource")},
            answers=_ANSWERS,
            errors=tuple(dict.fromkeys((*SUBMIT_ERRORS, *_ENDS))),
        )
        for path, handler, summary in (
            ("/predict_lgbm", calls.predict_lgbm, "Cataract or normal, by the fast model"),
            ("/predict_clip", calls.predict_clip, "Cataract or normal, by the strong model"),
            ("/predict_ensemble", calls.predict_ensemble, "Cataract or normal, by the installation's policy"),
        )
    ),
    Operation(
        method="GET",
        path="/predictions/<scan_id>",
        handler=calls.prediction_result,
        tag="cataract",
        summary="A prediction that took longer",
        scope="scans:read",
        parameters=(ID,),
        answers=_ANSWERS,
        errors=(errors.NotFound, errors.CorruptImage, errors.TruncatedImage, *_ENDS),
    ),
    Operation(
        method="POST",
        path="/predict_batch",
        handler=calls.predict_batch,
        tag="cataract",
        summary="Cataract or normal, many pictures",
        scope="scans:write",
        parameters=(IDEMPOTENCY,),
        body={"multipart/form-data": ref("CataractPictures")},
        answers=_LINES,
        errors=(
            *(errors.InvalidMultipart, errors.InvalidField, errors.UnsupportedContentType, errors.PayloadTooLarge),
            *(errors.TooManyParts, errors.FileTooLarge, errors.Overloaded, errors.IdempotencyConflict),
            errors.ModelUnavailable,
        ),
    ),
    Operation(
        method="GET",
        path="/predict_batch/<batch_id>",
        handler=calls.batch_predictions,
        tag="cataract",
        summary="The lines of such a batch",
        scope="scans:read",
        parameters=(_BATCH,),
        answers=_LINES,
        errors=(errors.NotFound,),
    ),
    *(
        Operation(
            method="POST",
            path=path,
            handler=handler,
            tag="cataract",
            summary=summary,
            scope="admin",
            parameters=(TRAINING_KEY,),
            body={"application/json": ref("SeedTrainingParameters")},
            body_required=False,
            answers={
                200: answer("CataractTraining", "The training that this Idempotency-Key made before", **_TRAINING),
                202: answer("CataractTraining", "Accepted", **_TRAINING),
            },
            errors=(
                *(errors.InvalidJson, errors.InvalidField, errors.UnsupportedContentType, errors.PayloadTooLarge),
                *(errors.PathNotAllowed, errors.TrainingUnavailable, errors.IdempotencyConflict),
            ),
        )
        for path, handler, summary in (
            ("/train_lgbm", training.train_lgbm, "Train the fast model"),
            ("/train_clip", training.train_clip, "Train the strong model"),
        )
    ),
    Operation(
        method="GET",
        path="/system_info",
        handler=calls.system_info,
        tag="cataract",
        summary="Version, policy, models, your scans, the API's machine",
        scope="scans:read",
        answers={200: answer("CataractSystem", "What new scans get")},
        errors=(errors.ModelUnavailable,),
    ),
)
