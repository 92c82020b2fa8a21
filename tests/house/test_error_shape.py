"""One shape of refusal for every source of errors: routing, limits, auth, bodies, services, bugs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Response, abort
from werkzeug.test import TestResponse

from api import problems
from api.app import assemble, connect
from api.operation import Operation
from api.operations import OPERATIONS
from api.settings import ApiSettings
from pipeline.errors import ScanmillError, StorageUnavailable, taxonomy
from tests.integration.api.harness import Api

pytest_plugins = ("tests.integration.api.fixtures",)

SECRET = "postgresql://scanmill:hunter2@db/scanmill"
KEYS = {"type", "title", "status", "code", "detail", "id", "request_id", "retryable"}

SOURCES: dict[str, tuple[Callable[[Api], TestResponse], int, str]] = {
    "no route": (lambda api: api.call("GET", "/nowhere"), 404, "NOT_FOUND"),
    "a route with more slashes": (lambda api: api.call("GET", "/v1//scans"), 404, "NOT_FOUND"),
    "method": (lambda api: api.call("PUT", "/v1/scans"), 405, "METHOD_NOT_ALLOWED"),
    "method of options": (lambda api: api.call("OPTIONS", "/v1/scans"), 405, "METHOD_NOT_ALLOWED"),
    "no key": (lambda api: api.call("GET", "/v1/scans", None), 401, "UNAUTHENTICATED"),
    "scope": (lambda api: api.call("GET", "/v1/keys", "a scans:read"), 403, "FORBIDDEN_SCOPE"),
    "no such scan": (lambda api: api.call("GET", "/v1/scans/x"), 404, "NOT_FOUND"),
    "bad JSON": (
        lambda api: api.call("POST", "/v1/keys", data="{", content_type="application/json"),
        400,
        "INVALID_JSON",
    ),
    "validation": (lambda api: api.call("POST", "/v1/keys", json={}), 422, "INVALID_FIELD"),
    "media type": (
        lambda api: api.call("POST", "/v1/keys", data="x", content_type="text/plain"),
        415,
        "UNSUPPORTED_CONTENT_TYPE",
    ),
    "too large": (
        lambda api: api.call("POST", "/v1/keys", data=b"x" * 70_000, content_type="application/json"),
        413,
        "PAYLOAD_TOO_LARGE",
    ),
    "picture too large": (lambda api: api.submit(content=b"x" * (21 * 2**20)), 413, "FILE_TOO_LARGE"),
    "picture": (lambda api: api.submit(content=b"text"), 415, "UNSUPPORTED_FORMAT"),
    "picture that is empty": (lambda api: api.submit(content=b""), 400, "EMPTY_FILE"),
    "query": (lambda api: api.call("GET", "/v1/scans?limit=x"), 422, "INVALID_FIELD"),
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_refusal_has_the_one_shape(api: Api, source: str) -> None:
    send, status, code = SOURCES[source]
    is_the_one_shape(send(api), status, code)


def is_the_one_shape(answer: TestResponse, status: int, code: str) -> None:
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.mimetype == "application/problem+json"
    body = answer.json
    assert body.keys() - {"errors"} == KEYS
    assert (body["status"], body["code"], body["id"]) == (status, code, None)
    assert body["detail"] == (taxonomy()[code].__doc__ or "").splitlines()[0]
    assert body["type"] == f"/docs#{code}"
    assert body["request_id"] == answer.headers["X-Request-Id"]
    assert all(each.keys() == {"field", "reason"} for each in body.get("errors", []))


def test_a_wrong_method_says_which_are_right(api: Api) -> None:
    assert api.call("PUT", "/v1/scans").headers["Allow"] == "GET, HEAD, POST"


def raises(error: Exception) -> Callable[[], Response]:
    def broken() -> Response:
        raise error

    return broken


def aborts(status: int) -> Callable[[], Response]:
    def broken() -> Response:
        abort(status, description=SECRET)

    return broken


def broken_api(handler: Callable[[], Response]) -> Api:
    """The real app with one more operation, which fails."""
    operation = Operation(method="GET", path="/broken", handler=handler, tag="", summary="", scope=None, answers={})
    here = connect(ApiSettings())
    return Api(assemble(here, (*OPERATIONS, operation)), here)


@pytest.mark.parametrize(
    ("handler", "status", "code"),
    [
        (raises(RuntimeError(SECRET)), 500, "INTERNAL_ERROR"),
        (raises(KeyError(SECRET)), 500, "INTERNAL_ERROR"),
        (raises(RecursionError(SECRET)), 500, "INTERNAL_ERROR"),
        (raises(StorageUnavailable(SECRET)), 503, "STORAGE_UNAVAILABLE"),
        (aborts(400), 400, "INVALID_REQUEST"),
        (aborts(418), 400, "INVALID_REQUEST"),
        (aborts(431), 400, "INVALID_REQUEST"),
        (aborts(408), 408, "REQUEST_TIMEOUT"),
        (aborts(500), 500, "INTERNAL_ERROR"),
        (aborts(502), 500, "INTERNAL_ERROR"),
    ],
)
def test_what_goes_wrong_inside_is_told_without_a_word_of_it(
    api_environment: dict[str, str], handler: Callable[[], Response], status: int, code: str
) -> None:
    answer = broken_api(handler).app.test_client().get("/broken")
    is_the_one_shape(answer, status, code)
    assert "hunter2" not in answer.get_data(as_text=True) + str(answer.headers)


@pytest.mark.parametrize("error", taxonomy().values(), ids=lambda error: error.code)
def test_every_error_of_the_taxonomy_can_be_shown(error: type[ScanmillError]) -> None:
    shown = problems.document(error(SECRET), "id")
    assert shown.keys() == KEYS
    assert shown["detail"]
    assert "hunter2" not in str(shown)
    assert 400 <= error.status < 600
