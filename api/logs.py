"""Structured logs: one JSON object per line, one line per request, and no byte of a client's as it came."""

from __future__ import annotations

import logging
import re
import secrets
import sys
import time

from flask import Flask, Response, g, request
from pythonjsonlogger.json import JsonFormatter

from api.services import services

_REQUEST_ID = re.compile(r"[0-9A-Za-z._-]{8,64}")
log = logging.getLogger("scanmill.api")


class Formatter(JsonFormatter):
    """UTC times; the encoder escapes line breaks and control characters."""

    converter = time.gmtime  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            datefmt="%Y-%m-%dT%H:%M:%S+00:00",
            rename_fields={"asctime": "at", "levelname": "level", "name": "logger"},
            json_ensure_ascii=True,
        )


def configure(level: int = logging.INFO) -> None:
    """Send all logging of this process to standard error, as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def elapsed_s() -> float:
    """Seconds since the current request began to be handled."""
    return float(time.perf_counter() - g.began)


def register(app: Flask) -> None:
    """A request id for every request, and its line and figures when it is answered."""

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        g.began = time.perf_counter()

    @app.after_request
    def told(response: Response) -> Response:
        seconds = time.perf_counter() - g.get("began", time.perf_counter())
        route = request.url_rule.rule if request.url_rule else "unknown"
        metrics, method = services().metrics, request.method if request.url_rule else "other"
        metrics.requests.labels(method, route, response.status_code).inc()
        metrics.seconds.labels(method, route).observe(seconds)
        if "code" in g:
            metrics.refusals.labels(g.code).inc()
        log.info("request", extra=_line(response, route, method, seconds))
        return response


def _line(response: Response, route: str, method: str, seconds: float) -> dict[str, object]:
    line: dict[str, object] = {
        "request_id": g.get("request_id", ""),
        "method": method,
        "route": route,
        "status": response.status_code,
        "ms": round(seconds * 1000, 1),
    }
    if "principal" in g:
        line |= {"tenant": str(g.principal.tenant_id), "key": g.principal.key_id}
    return line | {name: g.get(name) for name in ("scan_id", "code") if name in g}
