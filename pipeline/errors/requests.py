"""Requests that the API refuses: no scan exists."""

from __future__ import annotations

from pipeline.errors.families import RequestError


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
    """It has ended already."""


class NotFinished(RequestError, status=409):
    """It has not ended yet."""


class ArtifactExpired(RequestError, status=410):
    """The file has been deleted at the end of its lifetime."""


class Overloaded(RequestError, status=503, retryable=True):
    """Too many requests are waiting; try again a little later."""


class ModelRefused(RequestError, status=422):
    """The model file is not accepted."""
