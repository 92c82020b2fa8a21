"""The operations on scans: a part of the table in ``api.operations``."""

from __future__ import annotations

from api import events, reading, scans
from api.fields import MOST_ITEMS
from api.operation import Answer, Operation, Parameter, answer
from api.schemas import COUNT, STATUS, SYSTEM, ref, shape
from pipeline import errors

ID = Parameter("scan_id", "path", "A scan's id", {"type": "string", "format": "uuid"})
_NAME = Parameter("name", "path", "An artifact's name: canonical, cutout, face, crop_mouth, heatmap_mouth, preview …")
_WAIT = Parameter("Prefer", "header", "wait=N: answer when the scan has ended, or after N seconds (30 at most)")
IDEMPOTENCY = Parameter(
    "Idempotency-Key", "header", "Makes a request safe to repeat: the same key and request give the same scan"
)
_LAST_EVENT = Parameter("Last-Event-ID", "header", "Go on after this event")
_AFTER = Parameter("after", "query", "Go on after this event, for clients that cannot set the header", COUNT)
_REDIRECT = Parameter("redirect", "query", "0: the link as JSON instead of a redirect", {"enum": ["0", "1"]})
_FILTERS = (
    Parameter("status", "query", "Only scans in this status", STATUS),
    Parameter("system", "query", "Only scans of this system", SYSTEM),
    Parameter("limit", "query", "Items on a page", {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS}),
    Parameter("cursor", "query", "next_cursor of the page before"),
)


_WHERE = {"Location": "The scan's address"}
SUBMIT_ERRORS = (
    errors.EmptyFile,
    errors.InvalidJson,
    errors.InvalidMultipart,
    errors.InvalidField,
    errors.UnsupportedContentType,
    errors.PayloadTooLarge,
    errors.TooManyParts,
    errors.PathNotAllowed,
    errors.IdempotencyConflict,
    errors.Overloaded,
    errors.ModelUnavailable,
    errors.UrlInvalid,
    errors.UrlSchemeNotAllowed,
    errors.UrlCredentialsNotAllowed,
    errors.UrlPortNotAllowed,
    errors.UrlAddressNotAllowed,
    errors.FileTooLarge,
    errors.UnsupportedFormat,
    errors.CorruptImage,
    errors.TruncatedImage,
    errors.ImageTooSmall,
    errors.ImageTooManyPixels,
    errors.ImageTooLargeSide,
    errors.BadAspectRatio,
    errors.AnimatedNotSupported,
    errors.MetadataTooLarge,
)

SCAN_OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/scans",
        handler=scans.submit,
        tag="scans",
        summary="Submit a picture",
        scope="scans:write",
        parameters=(IDEMPOTENCY, _WAIT),
        body={"multipart/form-data": ref("Upload"), "application/json": ref("Reference")},
        answers={
            202: Answer(
                "Accepted; it will not be lost", {"application/json": {"anyOf": [ref("Accepted"), ref("Scan")]}}, _WHERE
            ),
            200: Answer(
                "Ended while you waited, or the scan that this Idempotency-Key made before",
                {"application/json": ref("Scan")},
                _WHERE,
            ),
        },
        errors=SUBMIT_ERRORS,
    ),
    Operation(
        method="GET",
        path="/v1/scans",
        handler=reading.list_scans,
        tag="scans",
        summary="List scans",
        scope="scans:read",
        parameters=_FILTERS,
        answers={
            200: Answer(
                "A page",
                {
                    "application/json": shape(
                        {
                            "items": {"type": "array", "items": ref("ScanSummary")},
                            "next_cursor": {"type": ["string", "null"]},
                        }
                    )
                },
            )
        },
        errors=(errors.InvalidField,),
    ),
    Operation(
        method="GET",
        path="/v1/scans/<scan_id>",
        handler=reading.get_scan,
        tag="scans",
        summary="Look at a scan",
        scope="scans:read",
        parameters=(ID, _WAIT),
        answers={200: answer("Scan", "The scan")},
        errors=(errors.NotFound, errors.Overloaded),
    ),
    Operation(
        method="DELETE",
        path="/v1/scans/<scan_id>",
        handler=scans.delete_scan,
        tag="scans",
        summary="Delete a scan and its picture",
        scope="scans:write",
        parameters=(ID,),
        answers={204: Answer("Deleted")},
        errors=(errors.NotFound,),
    ),
    Operation(
        method="GET",
        path="/v1/scans/<scan_id>/events",
        handler=events.stream_events,
        tag="scans",
        summary="Follow a scan",
        scope="scans:read",
        parameters=(ID, _LAST_EVENT, _AFTER),
        answers={
            200: Answer("Server-sent events", {"text/event-stream": {"type": "string"}}),
            204: Answer("Nothing more will happen"),
        },
        errors=(errors.NotFound, errors.InvalidField, errors.Overloaded),
    ),
    Operation(
        method="GET",
        path="/v1/scans/<scan_id>/artifacts/<name>",
        handler=reading.get_artifact,
        tag="scans",
        summary="Download an artifact",
        scope="scans:read",
        parameters=(ID, _NAME, _REDIRECT),
        answers={
            302: Answer("To a link that lives for minutes", headers={"Location": "The link"}),
            200: answer("Link", "The link (redirect=0)"),
        },
        errors=(errors.NotFound, errors.ArtifactExpired),
    ),
    Operation(
        method="POST",
        path="/v1/scans/<scan_id>/cancel",
        handler=scans.cancel,
        tag="scans",
        summary="Cancel a scan",
        scope="scans:write",
        parameters=(ID,),
        answers={200: answer("Accepted", "Cancelled")},
        errors=(errors.NotFound, errors.AlreadyFinished),
    ),
    Operation(
        method="POST",
        path="/v1/scans/<scan_id>/retry",
        handler=scans.retry,
        tag="scans",
        summary="Scan the same picture again",
        scope="scans:write",
        parameters=(ID, IDEMPOTENCY),
        answers={
            202: answer("Accepted", "A new scan", **_WHERE),
            200: answer("Scan", "The scan that this Idempotency-Key made before", **_WHERE),
        },
        errors=(
            errors.NotFound,
            errors.NotFinished,
            errors.IdempotencyConflict,
            errors.InvalidField,
            errors.ModelUnavailable,
        ),
    ),
)
