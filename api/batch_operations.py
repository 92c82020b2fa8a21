"""The operations on batches and their shapes: a part of the table in ``api.operations``."""

from __future__ import annotations

from api import batch_copies, batch_reading, batches, exports
from api.batch_plan_schemas import PLAN
from api.batch_schemas import ENDS
from api.fields import MOST_ITEMS
from api.operation import Answer, Operation, Parameter, answer
from api.schemas import TEXT, ref
from pipeline import errors

_ID = Parameter("batch_id", "path", "A batch's id", {"type": "string", "format": "uuid"})
_KEY = Parameter("Idempotency-Key", "header", "The same key and request open the same batch")
_LIMIT = Parameter("limit", "query", "Items on a page", {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS})
_CURSOR = Parameter("cursor", "query", "next_cursor of the page before")
_FORMAT = Parameter(
    "format", "query", "jsonl (whole reports), csv or parquet (a table of findings)", {"enum": list(exports.WRITERS)}
)
_PART = Parameter(
    "part", "query", "results: lines that succeeded; errors: all others that have ended", {"enum": list(exports.PARTS)}
)
_NAMES = Parameter("name", "query", "Only artifacts of this name; may stand several times")
_WHICH = (
    Parameter("status", "query", "Only lines in this status; may stand several times", ENDS),
    Parameter("code", "query", "Only lines with this code"),
    Parameter("stage", "query", "Only lines that ended at this stage"),
)
_WHERE = {"Location": "The batch's address"}
_BODY_ERRORS = (errors.InvalidJson, errors.InvalidField, errors.UnsupportedContentType, errors.PayloadTooLarge)


def _steering(verb: str, summary: str) -> Operation:
    return Operation(
        method="POST",
        path=f"/v1/batches/<batch_id>/{verb}",
        handler=getattr(batches, f"{verb}_batch"),
        tag="batches",
        summary=summary,
        scope="scans:write",
        parameters=(_ID,),
        answers={200: answer("Batch", "The batch as it is now")},
        errors=(errors.NotFound, errors.BatchEnded),
    )


BATCH_OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/batches",
        handler=batches.open_batch,
        tag="batches",
        summary="Open a batch",
        scope="scans:write",
        parameters=(_KEY,),
        body={"application/json": ref("NewBatch")},
        answers={
            201: answer("Batch", "Open and empty, or being listed", **_WHERE),
            200: answer("Batch", "The batch that this Idempotency-Key opened before"),
        },
        errors=(*_BODY_ERRORS, errors.PathNotAllowed, errors.IdempotencyConflict, errors.ModelUnavailable),
    ),
    Operation(
        method="GET",
        path="/v1/batches",
        handler=batch_reading.list_batches,
        tag="batches",
        summary="List batches",
        scope="scans:read",
        parameters=(_LIMIT, _CURSOR),
        answers={200: answer("BatchPage", "A page")},
        errors=(errors.InvalidField,),
    ),
    Operation(
        method="GET",
        path="/v1/batches/<batch_id>",
        handler=batch_reading.get_batch,
        tag="batches",
        summary="Look at a batch",
        scope="scans:read",
        parameters=(_ID,),
        answers={200: answer("Batch", "The batch")},
        errors=(errors.NotFound,),
    ),
    Operation(
        method="PATCH",
        path="/v1/batches/<batch_id>",
        handler=batches.change_batch,
        tag="batches",
        summary="Change a batch's priority",
        scope="scans:write",
        parameters=(_ID,),
        body={"application/json": ref("BatchChange")},
        answers={200: answer("Batch", "The batch as it is now")},
        errors=(*_BODY_ERRORS, errors.NotFound, errors.BatchEnded),
    ),
    Operation(
        method="POST",
        path="/v1/batches/<batch_id>/items",
        handler=batches.append_items,
        tag="batches",
        summary="Add pictures to a batch",
        scope="scans:write",
        parameters=(_ID,),
        body={"multipart/form-data": ref("BatchUpload"), "application/json": ref("BatchItems")},
        answers={200: answer("Appended", "What became of them")},
        errors=(
            *_BODY_ERRORS,
            errors.NotFound,
            errors.BatchClosed,
            errors.InvalidMultipart,
            errors.TooManyParts,
            errors.FileTooLarge,
            errors.Overloaded,
            errors.ModelUnavailable,
        ),
    ),
    _steering("finalise", "Say that no more pictures come"),
    _steering("pause", "Hold a batch"),
    _steering("resume", "Go on with a batch"),
    _steering("cancel", "Cancel a batch"),
    Operation(
        method="POST",
        path="/v1/batches/<batch_id>/retry",
        handler=batches.retry_batch,
        tag="batches",
        summary="Scan only what failed again",
        scope="scans:write",
        parameters=(_ID,),
        body={"application/json": ref("BatchRetry")},
        answers={200: answer("Retried", "How many lines; the old scans stay as their retry_of")},
        errors=(*_BODY_ERRORS, errors.NotFound, errors.BatchClosed),
    ),
    Operation(
        method="POST",
        path="/v1/batches/<batch_id>/reprocess",
        handler=batches.reprocess_batch,
        tag="batches",
        summary="Scan a batch again by today's pipeline",
        scope="scans:write",
        parameters=(_ID, _KEY),
        body={"application/json": ref("Reprocess")},
        answers={
            202: answer("Batch", "The new batch, being listed", **_WHERE),
            200: answer(PLAN, "With dry_run: what would be computed"),
        },
        errors=(
            *_BODY_ERRORS,
            errors.NotFound,
            errors.BatchClosed,
            errors.IdempotencyConflict,
            errors.ModelUnavailable,
            errors.Overloaded,
        ),
    ),
    Operation(
        method="GET",
        path="/v1/batches/<batch_id>/items",
        handler=batch_reading.list_items,
        tag="batches",
        summary="Lines of a batch",
        scope="scans:read",
        parameters=(_ID, *_WHICH, _LIMIT, _CURSOR),
        answers={200: answer("BatchLines", "A page")},
        errors=(errors.NotFound, errors.InvalidField),
    ),
    Operation(
        method="GET",
        path="/v1/batches/<batch_id>/errors",
        handler=batch_reading.list_errors,
        tag="batches",
        summary="Lines that did not succeed",
        scope="scans:read",
        parameters=(_ID, *_WHICH, _LIMIT, _CURSOR),
        answers={200: answer("BatchErrors", "A page")},
        errors=(errors.NotFound, errors.InvalidField),
    ),
    Operation(
        method="GET",
        path="/v1/batches/<batch_id>/export",
        handler=exports.export_batch,
        tag="batches",
        summary="Everything, or a part of it, as one file",
        scope="scans:read",
        parameters=(_ID, _FORMAT, _PART, *_WHICH),
        answers={200: Answer("The file", {kind: TEXT for kind, _ in exports.WRITERS.values()})},
        errors=(errors.NotFound, errors.InvalidField, errors.Overloaded),
    ),
    Operation(
        method="GET",
        path="/v1/batches/<batch_id>/artifacts",
        handler=exports.list_artifacts,
        tag="batches",
        summary="Files of a batch's lines",
        scope="scans:read",
        parameters=(_ID, _NAMES, _LIMIT, _CURSOR),
        answers={200: answer("BatchArtifacts", "A page")},
        errors=(errors.NotFound, errors.InvalidField),
    ),
    Operation(
        method="POST",
        path="/v1/batches/<batch_id>/artifacts",
        handler=batch_copies.copy_artifacts,
        tag="batches",
        summary="Copy files of a batch's lines to your objects",
        scope="scans:write",
        parameters=(_ID,),
        body={"application/json": ref("BatchCopy")},
        answers={200: answer("BatchCopied", "What became of a page of lines")},
        errors=(
            *_BODY_ERRORS,
            errors.NotFound,
            errors.PathNotAllowed,
            errors.InputMissing,
            errors.InputCorrupt,
            errors.Overloaded,
        ),
    ),
)
