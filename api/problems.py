"""The one shape of every refusal: application/problem+json, from one place.

``detail`` is the taxonomy's public sentence, never an exception's own words. ``errors`` names fields with literal
reasons of ours.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus

from flask import Flask, Response, g, has_request_context
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from pipeline import errors

RETRY_AFTER_S = 2
log = logging.getLogger("scanmill.api")


class Refused(Exception):
    """An error of the taxonomy with more to say: the fields at fault, headers, or what a seed's clients read."""

    def __init__(
        self,
        error: errors.ScanmillError,
        *,
        fields: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(error)
        self.error = error
        self.fields = fields or {}
        self.headers = headers or {}
        self.more = dict(more or {})


def invalid(field: str, reason: str) -> Refused:
    """INVALID_FIELD for one field; the reason is a literal of ours."""
    return Refused(errors.InvalidField(), fields={field[:64]: reason})


def document(error: errors.ScanmillError, request_id: str, fields: dict[str, str] | None = None) -> dict[str, object]:
    """The problem as a JSON object. ``id`` is null: no scan came of this request."""
    problem: dict[str, object] = {
        "type": f"/docs#{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": error.status,
        "code": error.code,
        "detail": error.public_message,
        "id": None,
        "request_id": request_id,
        "retryable": error.retryable,
    }
    if fields:
        problem["errors"] = [{"field": name, "reason": reason} for name, reason in fields.items()]
    return problem


def respond(refused: Refused) -> Response:
    """The HTTP answer to a refusal."""
    error = refused.error
    request_id = g.get("request_id", "") if has_request_context() else ""
    if has_request_context():
        g.code = error.code
    body = json.dumps(document(error, request_id, refused.fields) | refused.more)
    response = Response(body, status=error.status, mimetype="application/problem+json")
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    if error.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="scanmill"'
    response.headers.update(refused.headers)
    return response


def register(app: Flask) -> None:
    """Answer every exception of an app in the one shape."""

    @app.errorhandler(Refused)
    def refused(refusal: Refused) -> Response:
        _log(refusal.error)
        return respond(refusal)

    @app.errorhandler(errors.ScanmillError)
    def taxonomy(error: errors.ScanmillError) -> Response:
        _log(error)
        return respond(Refused(error))

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        return respond(_translated(error))

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        log.error("unexpected error", exc_info=error)
        return respond(Refused(errors.ScanmillError()))


def _log(error: errors.ScanmillError) -> None:
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("a service is away", extra={"code": error.code, "reason": str(error)[:256]})


_BY_STATUS: dict[int, type[errors.ScanmillError]] = {
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    408: errors.RequestTimeout,
    413: errors.PayloadTooLarge,
    415: errors.UnsupportedContentType,
}


def _translated(error: HTTPException) -> Refused:
    """What Flask and Werkzeug raise, in our words."""
    status = error.code or 500
    fallback = errors.InvalidRequest if status < HTTPStatus.INTERNAL_SERVER_ERROR else errors.ScanmillError
    headers = {}
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return Refused(_BY_STATUS.get(status, fallback)(), headers=headers)
