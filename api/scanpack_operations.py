"""The operations that take a batch away or show it to people: a part of the table in ``api.operations``."""

from __future__ import annotations

from api import batch_report
from api.batch_schemas import ENDS
from api.operation import Answer, Operation, Parameter, answer
from api.scanpack import handlers
from api.scanpack.signing import ALGORITHM
from api.schemas import SCHEMAS, SHA256, TEXT, shape
from pipeline import errors

_ID = Parameter("batch_id", "path", "A batch's id", {"type": "string", "format": "uuid"})
_WHICH = (
    Parameter("status", "query", "Only lines in this status; may stand several times", ENDS),
    Parameter("code", "query", "Only lines with this code"),
    Parameter("stage", "query", "Only lines that ended at this stage"),
    Parameter("cursor", "query", "Only lines after this number"),
)
SCHEMAS |= {"SigningKey": shape({"algorithm": {"const": ALGORITHM}, "id": SHA256, "public_key": TEXT})}

SCANPACK_OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/batches/<batch_id>/scanpack",
        handler=handlers.get_scanpack,
        tag="batches",
        summary="An ended batch as one signed ZIP",
        scope="scans:read",
        parameters=(_ID,),
        answers={200: Answer("The ZIP", {"application/zip": {"type": "string", "format": "binary"}})},
        errors=(errors.NotFound, errors.NotFinished, errors.InvalidField, errors.Overloaded),
    ),
    Operation(
        method="GET",
        path="/v1/batches/<batch_id>/report",
        handler=batch_report.get_batch_report,
        tag="batches",
        summary="A batch as a page with its pictures",
        scope="scans:read",
        parameters=(_ID, *_WHICH),
        answers={200: Answer("The page", {"text/html": TEXT})},
        errors=(errors.NotFound, errors.InvalidField),
    ),
    Operation(
        method="GET",
        path="/v1/signing-key",
        handler=handlers.get_signing_key,
        tag="batches",
        summary="The public key of scanpacks",
        scope=None,
        answers={200: answer("SigningKey", "The key")},
        errors=(errors.NotFound,),
    ),
)
