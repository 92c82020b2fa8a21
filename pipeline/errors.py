"""The whole error taxonomy: a code, a sentence for the client, an HTTP status, and whether trying again can help.

The code is the class's name in capitals (``NotACat`` → ``NOT_A_CAT``), its docstring the public sentence.
``str(error)`` may hold more and goes to the log only, never to a client. Families: ``RequestError`` (the API refuses,
no scan exists), ``Verdict`` (what the picture shows ends the scan or the region), ``InputError`` (the picture's
fault), ``OutsideError`` (somebody else's server), ``ServiceError`` (ours: storage, database, disk, models; charged to
no picture and tried again).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from pipeline.contracts import RunState


class ScanmillError(Exception):
    """Something went wrong on our side."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    outcome: ClassVar[RunState] = RunState.FAILED
    data: Mapping[str, Any] = MappingProxyType({})
    """Numbers behind the error that belong to the result (JSON): a verdict says how sure it is."""

    def __init_subclass__(
        cls, status: int | None = None, retryable: bool | None = None, outcome: RunState | None = None
    ) -> None:
        cls.code = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).upper()
        cls.status = cls.status if status is None else status
        cls.retryable = cls.retryable if retryable is None else retryable
        cls.outcome = cls.outcome if outcome is None else outcome

    @property
    def public_message(self) -> str:
        return (type(self).__doc__ or "").strip().splitlines()[0]


class RequestError(ScanmillError, status=400):
    """The request cannot be accepted."""


class InputError(ScanmillError, status=422, outcome=RunState.REJECTED):
    """The picture cannot be scanned."""


class Verdict(ScanmillError, status=422, outcome=RunState.REJECTED):
    """The picture was scanned and ends here."""

    def __init__(self, message: str = "", data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.data = dict(data or {})


class OutsideError(ScanmillError, status=502):
    """Somebody else's server did not deliver the picture."""


class ServiceError(ScanmillError, status=503, retryable=True):
    """A service we depend on is away."""


# --- requests: refused by the API, no scan exists -------------------------------------------------------------------


class InvalidRequest(RequestError):
    """The HTTP request itself is malformed."""


class RequestTimeout(RequestError, status=408):
    """The request was sent too slowly."""


class InvalidJson(RequestError):
    """The body is not the JSON object we expect."""


class InvalidMultipart(RequestError):
    """The multipart body cannot be read."""


class InvalidField(RequestError, status=422):
    """A field is missing, unknown or has a value that is not allowed."""


class UnsupportedContentType(RequestError, status=415):
    """Send multipart/form-data or application/json."""


class PayloadTooLarge(RequestError, status=413):
    """The request body is too large."""


class TooManyParts(RequestError, status=413):
    """The multipart body has too many parts."""


class PathNotAllowed(RequestError):
    """This object key or path is not allowed."""


class Unauthenticated(RequestError, status=401):
    """A valid API key is needed."""


class ForbiddenScope(RequestError, status=403):
    """This API key may not do that."""


class NotFound(RequestError, status=404):
    """There is nothing here under that address."""


class MethodNotAllowed(RequestError, status=405):
    """This address does not take that method."""


class IdempotencyConflict(RequestError, status=409):
    """This Idempotency-Key was used with another request."""


class AlreadyFinished(RequestError, status=409):
    """The scan has ended already."""


class NotFinished(RequestError, status=409):
    """The scan has not ended yet."""


class ArtifactExpired(RequestError, status=410):
    """The file has been deleted at the end of its lifetime."""


class Overloaded(RequestError, status=503, retryable=True):
    """Too many requests are waiting; try again a little later."""


# --- URLs: syntax is refused by the API; what only the fetch can see ends the scan ----------------------------------


class UrlInvalid(InputError, status=400):
    """The image_url is not a valid URL."""


class UrlSchemeNotAllowed(InputError, status=400):
    """Only http and https addresses are fetched."""


class UrlCredentialsNotAllowed(InputError, status=400):
    """A URL may not carry a user name or password."""


class UrlPortNotAllowed(InputError, status=400):
    """This port is not allowed in a URL."""


class UrlAddressNotAllowed(InputError, status=400):
    """The URL points to an address that is not allowed."""


class UrlRedirectNotAllowed(InputError):
    """The URL redirects from https to http."""


class UrlTooManyRedirects(InputError):
    """The URL redirects too often."""


class UrlContentEncodingNotAllowed(InputError):
    """The server sent a compressed body although none was asked for."""


class UrlLengthMismatch(InputError):
    """The server sent another number of bytes than it announced."""


class UrlFetchFailed(OutsideError, retryable=True):
    """The URL could not be fetched."""


class UrlTimeout(OutsideError, retryable=True):
    """The server of the URL was too slow."""


class UrlHttpStatus(OutsideError):
    """The server of the URL did not answer 200."""


class UrlTlsFailed(OutsideError):
    """The certificate of the URL's server is not valid."""


# --- pictures -------------------------------------------------------------------------------------------------------


class EmptyFile(InputError, status=400):
    """The file is empty."""


class FileTooLarge(InputError, status=413):
    """The file is larger than allowed."""


class UnsupportedFormat(InputError, status=415):
    """The file is not a JPEG, PNG, WebP or BMP picture."""


class CorruptImage(InputError):
    """The picture cannot be decoded."""


class TruncatedImage(InputError):
    """The picture ends before its data does."""


class ImageTooSmall(InputError):
    """The picture is too small."""


class ImageTooManyPixels(InputError):
    """The picture has too many pixels."""


class ImageTooLargeSide(InputError):
    """A side of the picture is too long."""


class BadAspectRatio(InputError):
    """The picture is too narrow."""


class AnimatedNotSupported(InputError):
    """Animated pictures are not scanned."""


class MetadataTooLarge(InputError):
    """The picture carries too much metadata."""


class DecodeTimeout(InputError):
    """Decoding the picture took too long."""


class DecodeMemoryLimit(InputError):
    """Decoding the picture needs too much memory."""


class DecoderCrash(InputError):
    """The picture crashes the decoder."""


class PoisonInput(ScanmillError):
    """Working on this picture ended the worker again and again."""


class AttemptsExhausted(ScanmillError):
    """The stage was tried too often without an answer."""


class StageTimeout(ScanmillError):
    """The stage ran past its deadline."""


class InputMissing(OutsideError, retryable=True):
    """The picture is not in storage any more."""


class InputCorrupt(OutsideError, retryable=True):
    """What storage returned is not what was stored."""


# --- verdicts: the model looked and the scan ends, or the region is left out ----------------------------------------


class NotACat(Verdict):
    """The picture does not appear to show a cat."""


class NoFaceDetected(Verdict):
    """No face was found in the picture."""


class LandmarkDetectionFailed(Verdict, outcome=RunState.ABSTAINED):
    """The landmarks of the face could not be found."""


class RegionOutsideImage(Verdict, outcome=RunState.ABSTAINED):
    """The region lies beyond the edge of the picture."""


# --- models and services: ours --------------------------------------------------------------------------------------


class ModelOutputInvalid(ScanmillError):
    """The model's answer was not valid and was thrown away."""


class ModelLoadError(ServiceError):
    """A model could not be loaded."""


class ModelUnavailable(ServiceError):
    """A model that this scan needs is not available."""


class StorageUnavailable(ServiceError):
    """Storage or database is away; try again a little later."""


class DecoderUnavailable(ServiceError):
    """The picture decoder is away; try again a little later."""


class WorkerDiskFull(ServiceError):
    """The worker's disk is full."""


# --- codes of ends that no exception carries ------------------------------------------------------------------------

UPSTREAM_NOT_OK = "UPSTREAM_NOT_OK"
SWITCHED_OFF = "SWITCHED_OFF"
CANCELLED = "CANCELLED"

PLAIN_CODES = {
    UPSTREAM_NOT_OK: "An earlier stage that this one needs did not end well.",
    SWITCHED_OFF: "The stage was switched off for this scan.",
    CANCELLED: "The scan was cancelled.",
}


def taxonomy() -> dict[str, type[ScanmillError]]:
    """Every code that an exception carries, with its class."""

    def descend(cls: type[ScanmillError]) -> list[type[ScanmillError]]:
        return [cls, *(below for child in cls.__subclasses__() for below in descend(child))]

    return {cls.code: cls for cls in descend(ScanmillError)}
