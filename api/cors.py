"""Which pages of other origins may call us from a browser: the listed ones, with a key like everybody, never with cookies."""

from __future__ import annotations

from typing import Final

from flask import Flask, Response, request

ALLOWED: Final = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Prefer, X-API-Key",
    "Access-Control-Max-Age": "600",
}
EXPOSED: Final = "Location, Retry-After, Idempotent-Replayed, X-Request-Id"


def register(app: Flask, origins: frozenset[str]) -> None:
    """Answer browsers' questions before a call, and say who may read an answer. Without origins nothing changes."""
    if not origins:
        return

    @app.before_request
    def preflight() -> Response | None:
        asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        return Response(status=204) if asks and _known() else None

    @app.after_request
    def headers(response: Response) -> Response:
        response.vary.add("Origin")
        if _known():
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
            if request.method == "OPTIONS":
                response.headers.update(ALLOWED)
        return response

    def _known() -> bool:
        return request.headers.get("Origin") in origins
