"""The operations on consent, and the datasets it allows: a part of the table in ``api.operations``."""

from __future__ import annotations

from api import consent
from api.dataset import handlers as dataset
from api.operation import Answer, Operation, Parameter, answer
from api.scan_operations import ID
from api.schemas import CONSENT, SCHEMAS, SYSTEM, ref, shape
from pipeline import errors

_BODY = {"application/json": ref("SetConsent")}
_BODY_ERRORS = (errors.InvalidJson, errors.InvalidField, errors.UnsupportedContentType, errors.PayloadTooLarge)
SCHEMAS |= {"Consent": CONSENT, "SetConsent": shape({"training": {"type": "boolean"}})}

CONSENT_OPERATIONS = (
    Operation(
        method="PUT",
        path="/v1/scans/<scan_id>/consent",
        handler=consent.set_scan_consent,
        tag="consent",
        summary="Allow or withdraw a scan's use for training",
        scope="scans:write",
        parameters=(ID,),
        body=_BODY,
        answers={200: answer("Consent", "As it stands now")},
        errors=(errors.NotFound, *_BODY_ERRORS),
    ),
    Operation(
        method="GET",
        path="/v1/consent",
        handler=consent.get_consent,
        tag="consent",
        summary="Does the tenant allow training?",
        scope="scans:read",
        answers={200: answer("Consent", "As it stands now")},
    ),
    Operation(
        method="PUT",
        path="/v1/consent",
        handler=consent.set_consent,
        tag="consent",
        summary="Allow or withdraw training for the tenant",
        scope="admin",
        body=_BODY,
        answers={200: answer("Consent", "As it stands now")},
        errors=_BODY_ERRORS,
    ),
    Operation(
        method="GET",
        path="/v1/datasets/<system>",
        handler=dataset.get_dataset,
        tag="consent",
        summary="Your pictures that may be used for training, as one ZIP",
        scope="admin",
        parameters=(
            Parameter("system", "path", "Whose scans", SYSTEM),
            Parameter("since", "query", "Only scans submitted at this time or later", {"format": "date-time"}),
            Parameter("format", "query", "Only one of the two lists", {"enum": list(dataset.FORMATS)}),
        ),
        answers={200: Answer("The ZIP", {"application/zip": {"type": "string", "format": "binary"}})},
        errors=(errors.NotFound, errors.InvalidField, errors.Overloaded),
    ),
)
