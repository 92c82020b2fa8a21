"""JSON as we write it, and the headers that every response carries."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import Flask, Response, g, request
from flask.json.provider import JSONProvider

from api.services import services

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class StrictJson(JSONProvider):
    """Times as RFC 3339 in UTC, no NaN."""

    def dumps(self, obj: Any, **_: Any) -> str:
        return json.dumps(obj, default=plain, allow_nan=False, separators=(",", ":"))

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return json.loads(s, **kwargs)


def plain(value: object) -> str:
    """What JSON has no word for, as text. Raises TypeError for anything but times and ids."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def address(path: str, *, absolute: bool = False) -> str:
    """A path of ours as clients reach it. Without a public URL it may stay relative: that works behind most proxies."""
    base = services().settings.public_url
    if base is None:
        return request.host_url.rstrip("/") + path if absolute else path
    return base.rstrip("/") + path


def register(app: Flask, *, https: bool) -> None:
    """Headers on every response, errors included."""

    @app.after_request
    def headers(response: Response) -> Response:
        given = response.headers
        page = response.mimetype == "text/html"
        given.setdefault("Content-Security-Policy", PAGE_POLICY if page else API_POLICY)
        given["X-Content-Type-Options"] = "nosniff"
        given["X-Frame-Options"] = "DENY"
        given["Referrer-Policy"] = "no-referrer"
        given["Cross-Origin-Resource-Policy"] = "same-origin"
        given["Cross-Origin-Opener-Policy"] = "same-origin"
        given.setdefault("Cache-Control", "no-store")
        given["X-Request-Id"] = g.get("request_id", "")
        if https:
            given["Strict-Transport-Security"] = "max-age=31536000"
        return response
