"""The whole error taxonomy: a code, a sentence for the client, an HTTP status, and whether trying again can help.

The code is the class's name in capitals (``NotACat`` → ``NOT_A_CAT``), its docstring the public sentence.
``str(error)`` may hold more and goes to the log only, never to a client. Families: ``RequestError`` (the API refuses,
no scan exists), ``Verdict`` (what the picture shows ends the scan or the region), ``InputError`` (the picture's
fault), ``OutsideError`` (somebody else's server), ``ServiceError`` (ours: storage, database, disk, models; charged to
no picture and tried again).
"""

from __future__ import annotations

from pipeline.errors.addresses import (
    UrlAddressNotAllowed,
    UrlContentEncodingNotAllowed,
    UrlCredentialsNotAllowed,
    UrlFetchFailed,
    UrlHttpStatus,
    UrlInvalid,
    UrlLengthMismatch,
    UrlPortNotAllowed,
    UrlRedirectNotAllowed,
    UrlSchemeNotAllowed,
    UrlTimeout,
    UrlTlsFailed,
    UrlTooManyRedirects,
)
from pipeline.errors.families import (
    InputError,
    OutsideError,
    RequestError,
    ScanmillError,
    ServiceError,
    Verdict,
)
from pipeline.errors.ours import (
    AttemptsExhausted,
    ConverterUnavailable,
    DecoderUnavailable,
    ModelLoadError,
    ModelOutOfMemory,
    ModelOutputInvalid,
    ModelRunFailed,
    ModelUnavailable,
    PoisonInput,
    StageTimeout,
    StorageUnavailable,
    WorkerDiskFull,
)
from pipeline.errors.pictures import (
    AnimatedNotSupported,
    BadAspectRatio,
    CorruptImage,
    DecodeMemoryLimit,
    DecoderCrash,
    DecodeTimeout,
    EmptyFile,
    FileTooLarge,
    ImageTooLargeSide,
    ImageTooManyPixels,
    ImageTooSmall,
    InputCorrupt,
    InputMissing,
    LandmarkDetectionFailed,
    MetadataTooLarge,
    NoFaceDetected,
    NotACat,
    RegionOutsideImage,
    TruncatedImage,
    UnsupportedFormat,
)
from pipeline.errors.requests import (
    AlreadyFinished,
    ArtifactExpired,
    ForbiddenScope,
    IdempotencyConflict,
    InvalidField,
    InvalidJson,
    InvalidMultipart,
    InvalidRequest,
    MethodNotAllowed,
    ModelRefused,
    NotFinished,
    NotFound,
    Overloaded,
    PathNotAllowed,
    PayloadTooLarge,
    RequestTimeout,
    TooManyParts,
    Unauthenticated,
    UnsupportedContentType,
)

__all__ = [
    "CANCELLED",
    "PLAIN_CODES",
    "SWITCHED_OFF",
    "UPSTREAM_NOT_OK",
    "AlreadyFinished",
    "AnimatedNotSupported",
    "ArtifactExpired",
    "AttemptsExhausted",
    "BadAspectRatio",
    "ConverterUnavailable",
    "CorruptImage",
    "DecodeMemoryLimit",
    "DecodeTimeout",
    "DecoderCrash",
    "DecoderUnavailable",
    "EmptyFile",
    "FileTooLarge",
    "ForbiddenScope",
    "IdempotencyConflict",
    "ImageTooLargeSide",
    "ImageTooManyPixels",
    "ImageTooSmall",
    "InputCorrupt",
    "InputError",
    "InputMissing",
    "InvalidField",
    "InvalidJson",
    "InvalidMultipart",
    "InvalidRequest",
    "LandmarkDetectionFailed",
    "MetadataTooLarge",
    "MethodNotAllowed",
    "ModelLoadError",
    "ModelOutOfMemory",
    "ModelOutputInvalid",
    "ModelRefused",
    "ModelRunFailed",
    "ModelUnavailable",
    "NoFaceDetected",
    "NotACat",
    "NotFinished",
    "NotFound",
    "OutsideError",
    "Overloaded",
    "PathNotAllowed",
    "PayloadTooLarge",
    "PoisonInput",
    "RegionOutsideImage",
    "RequestError",
    "RequestTimeout",
    "ScanmillError",
    "ServiceError",
    "StageTimeout",
    "StorageUnavailable",
    "TooManyParts",
    "TruncatedImage",
    "Unauthenticated",
    "UnsupportedContentType",
    "UnsupportedFormat",
    "UrlAddressNotAllowed",
    "UrlContentEncodingNotAllowed",
    "UrlCredentialsNotAllowed",
    "UrlFetchFailed",
    "UrlHttpStatus",
    "UrlInvalid",
    "UrlLengthMismatch",
    "UrlPortNotAllowed",
    "UrlRedirectNotAllowed",
    "UrlSchemeNotAllowed",
    "UrlTimeout",
    "UrlTlsFailed",
    "UrlTooManyRedirects",
    "Verdict",
    "WorkerDiskFull",
    "taxonomy",
]

UPSTREAM_NOT_OK = "UPSTREAM_NOT_OK"
SWITCHED_OFF = "SWITCHED_OFF"
CANCELLED = "CANCELLED"

PLAIN_CODES = {
    UPSTREAM_NOT_OK: "An earlier stage that this one needs did not end well.",
    SWITCHED_OFF: "The stage was switched off for this scan.",
    CANCELLED: "The scan was cancelled.",
}


def taxonomy() -> dict[str, type[ScanmillError]]:
    """Every code that an exception carries, with its class. A room's private subclasses are not part of it."""

    def descend(cls: type[ScanmillError]) -> list[type[ScanmillError]]:
        return [cls, *(below for child in cls.__subclasses__() for below in descend(child))]

    return {cls.code: cls for cls in descend(ScanmillError) if cls.__module__.startswith(__name__)}
