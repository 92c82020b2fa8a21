"""The Q rows of the hostile corpus: requests that must be refused, or taken for what they are, each by its code."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import TestResponse

from api.settings import ApiSettings
from db import views
from tests.integration.api.harness import Api, make_api, problem
from tests.integration.api.pictures import jpeg

pytest_plugins = ("tests.integration.api.fixtures",)

LIST = "/v1/scans"


def post_json(api: Api, body: bytes | str, content_type: str = "application/json") -> TestResponse:
    return api.call("POST", LIST, data=body, content_type=content_type)


def post_parts(api: Api, *parts: tuple[bytes, bytes]) -> TestResponse:
    body = b"".join(
        b"--B\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + data + b"\r\n" for head, data in parts
    )
    return api.call("POST", LIST, data=body + b"--B--\r\n", content_type="multipart/form-data; boundary=B")


def wrong_secret(api: Api) -> TestResponse:
    key_id = api.tokens["a"].split("_")[1]
    return api.call("GET", LIST, f"sk_{key_id}_{'0' * 64}")


def revoked(api: Api) -> TestResponse:
    made = api.call("POST", "/v1/keys", json={"name": "x", "scopes": ["scans:read"]}).json
    api.call("DELETE", f"/v1/keys/{made['id']}")
    return api.call("GET", LIST, made["token"])


def conflict(api: Api) -> TestResponse:
    api.submit(headers={"Idempotency-Key": "k"})
    return api.submit(content=jpeg(shade=7), headers={"Idempotency-Key": "k"})


REFUSED: dict[str, tuple[Callable[[Api], TestResponse], int, str]] = {
    "Q01 no key": (lambda api: api.call("GET", LIST, None), 401, "UNAUTHENTICATED"),
    "Q02 wrong secret": (wrong_secret, 401, "UNAUTHENTICATED"),
    "Q03 revoked": (revoked, 401, "UNAUTHENTICATED"),
    "Q04 read scope on POST": (lambda api: api.submit("a scans:read"), 403, "FORBIDDEN_SCOPE"),
    "Q05 another's scan": (lambda api: api.call("GET", f"{LIST}/{api.scan('b')}"), 404, "NOT_FOUND"),
    "Q06 malformed id": (lambda api: api.call("GET", f"{LIST}/' OR 1=1--"), 404, "NOT_FOUND"),
    "Q06 upper case id": (lambda api: api.call("GET", f"{LIST}/{api.scan().upper()}"), 404, "NOT_FOUND"),
    "Q08 not JSON": (lambda api: post_json(api, "{'image_url'"), 400, "INVALID_JSON"),
    "Q08 a list": (lambda api: post_json(api, "[]"), 400, "INVALID_JSON"),
    "Q08 empty": (lambda api: post_json(api, ""), 400, "INVALID_JSON"),
    "Q09 a key twice": (lambda api: post_json(api, '{"object_key": "a", "object_key": "b"}'), 400, "INVALID_JSON"),
    "Q10 depth 1000": (lambda api: post_json(api, '{"options":' + "[" * 1000 + "]" * 1000 + "}"), 400, "INVALID_JSON"),
    "Q11 NaN": (lambda api: post_json(api, '{"object_key": NaN}'), 400, "INVALID_JSON"),
    "Q11 Infinity": (lambda api: post_json(api, '{"object_key": -Infinity}'), 400, "INVALID_JSON"),
    "Q12 65 KB": (lambda api: post_json(api, json.dumps({"object_key": "x" * 65_600})), 413, "PAYLOAD_TOO_LARGE"),
    "Q13 unknown field": (lambda api: post_json(api, '{"object_key": "a", "colour": "red"}'), 422, "INVALID_FIELD"),
    "Q13 unknown form field": (lambda api: api.submit(colour="red"), 422, "INVALID_FIELD"),
    "Q13 unknown switch": (
        lambda api: post_json(api, '{"object_key": "a", "options": {"x": true}}'),
        422,
        "INVALID_FIELD",
    ),
    "Q13 switch that is no boolean": (lambda api: api.submit(options='{"generate_preview": 1}'), 422, "INVALID_FIELD"),
    "Q13 unknown system": (lambda api: api.submit(pipeline="dog_face"), 422, "INVALID_FIELD"),
    "Q13 unknown priority": (
        lambda api: post_json(api, '{"object_key": "a", "priority": ["bulk"]}'),
        422,
        "INVALID_FIELD",
    ),
    "Q14 file and url": (lambda api: api.submit(image_url="https://x.example/c.jpg"), 422, "INVALID_FIELD"),
    "Q14 url and key": (
        lambda api: post_json(api, '{"object_key": "a", "image_url": "https://x.example"}'),
        422,
        "INVALID_FIELD",
    ),
    "Q15 neither": (lambda api: post_json(api, "{}"), 422, "INVALID_FIELD"),
    "Q15 no file": (lambda api: post_parts(api, (b'name="priority"', b"bulk")), 422, "INVALID_FIELD"),
    "Q16 huge integer": (lambda api: post_json(api, '{"object_key": 1' + "0" * 400 + "}"), 422, "INVALID_FIELD"),
    "Q17 lone surrogate": (lambda api: post_json(api, '{"object_key": "\\ud800"}'), 422, "INVALID_FIELD"),
    "Q17 NUL": (lambda api: post_json(api, '{"object_key": "a\\u0000b"}'), 422, "INVALID_FIELD"),
    "Q18 key with another body": (conflict, 409, "IDEMPOTENCY_CONFLICT"),
    "Q18 key of nonsense": (lambda api: api.submit(headers={"Idempotency-Key": "a b"}), 422, "INVALID_FIELD"),
    "Q18 key too long": (lambda api: api.submit(headers={"Idempotency-Key": "k" * 256}), 422, "INVALID_FIELD"),
    "Q20 no boundary": (lambda api: post_json(api, b"--B\r\n", "multipart/form-data"), 400, "INVALID_MULTIPART"),
    "Q21 1000 parts": (
        lambda api: post_parts(api, *[(b'name="x%d"' % n, b"") for n in range(1000)]),
        413,
        "TOO_MANY_PARTS",
    ),
    "Q24 line break in the name": (
        lambda api: post_parts(api, (b'name="file"; filename="a\r\nb.jpg"', jpeg())),
        400,
        "INVALID_MULTIPART",
    ),
    "Q24 encoded line break": (
        lambda api: post_parts(api, (b"name=\"file\"; filename*=UTF-8''a%0D%0Ab.jpg", jpeg())),
        400,
        "INVALID_MULTIPART",
    ),
    "Q26 metadata address": (
        lambda api: post_json(api, '{"image_url": "http://169.254.169.254/x"}'),
        400,
        "URL_ADDRESS_NOT_ALLOWED",
    ),
    "Q26 file address": (
        lambda api: post_json(api, '{"image_url": "file:///etc/passwd"}'),
        400,
        "URL_SCHEME_NOT_ALLOWED",
    ),
    "Q26 path out of the prefix": (lambda api: post_json(api, '{"object_key": "../x"}'), 400, "PATH_NOT_ALLOWED"),
    "Q30 XML": (lambda api: post_json(api, "<x/>", "text/xml"), 415, "UNSUPPORTED_CONTENT_TYPE"),
    "Q30 form": (
        lambda api: post_json(api, "a=b", "application/x-www-form-urlencoded"),
        415,
        "UNSUPPORTED_CONTENT_TYPE",
    ),
    "Q30 compressed": (
        lambda api: api.call(
            "POST", LIST, data=b"{}", headers={"Content-Encoding": "gzip"}, content_type="application/json"
        ),
        415,
        "UNSUPPORTED_CONTENT_TYPE",
    ),
    "Q30 compressed picture": (
        lambda api: api.submit(headers={"Content-Encoding": "gzip"}),
        415,
        "UNSUPPORTED_CONTENT_TYPE",
    ),
    "Q30 none": (lambda api: post_json(api, "{}", ""), 415, "UNSUPPORTED_CONTENT_TYPE"),
}


@pytest.mark.parametrize("row", REFUSED)
def test_a_hostile_request_is_refused_by_its_code_and_makes_no_scan(api: Api, row: str) -> None:
    send, status, code = REFUSED[row]
    assert problem(send(api)) == (status, code)
    with api.here.database.begin() as connection:
        assert views.counts(connection, api.tenants["a"])["submitted"] == (1 if row in MAKE_ONE_FIRST else 0)
    assert api.submit(content=jpeg(shade=200)).status_code == 202  # the server is none the worse for it


MAKE_ONE_FIRST = ("Q06 upper case id", "Q18 key with another body")


@pytest.mark.parametrize(
    "name",
    [
        "../../x.jpg",
        "=cmd|' /C calc'!A0",
        "<img src=x onerror=alert(1)>.jpg",
        "cat\u202egpj.exe",
        "%2e%2e%2f",
        "'; DROP TABLE scan;--",
    ],
)
def test_q22_q23_a_hostile_name_is_text(api: Api, name: str) -> None:
    scan_id = api.scan(name=name)
    shown = api.call("GET", f"/v1/scans/{scan_id}")
    assert shown.json["filename"] == name
    assert shown.mimetype == "application/json"
    api.work()
    link = api.call("GET", f"/v1/scans/{scan_id}/artifacts/preview").headers["Location"]
    assert name not in link


def test_q19_fifty_at_once_with_one_key_are_one_scan(api: Api) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.submit(headers={"Idempotency-Key": "one"}), range(50)))
    assert {answer.status_code for answer in answers} == {200, 202}
    assert [answer.status_code for answer in answers].count(202) == 1
    assert len({answer.json["id"] for answer in answers}) == 1


def test_q29_database_away_is_unavailable_and_says_when_to_come_back(
    api_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = make_api().tokens["a"]
    monkeypatch.setenv("SCANMILL_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    from api.app import assemble, connect

    here = connect(ApiSettings())
    answer = Api(assemble(here), here).submit(token)
    assert problem(answer) == (503, "STORAGE_UNAVAILABLE")
    assert answer.headers["Retry-After"]
    assert "127.0.0.1" not in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    "payload",
    ["<script>alert(1)</script>", "'\"><img src=x onerror=alert(1)>", "{{7*7}}", "${7*7}", "\x00", "\u2028"],
)
def test_nothing_is_reflected_as_a_page(api: Api, payload: str) -> None:
    for answer in (
        api.call("GET", f"/v1/scans?status={payload}"),
        api.call("GET", f"/{payload}"),
        post_json(api, json.dumps({payload: 1})),
        api.call("GET", "/docs", None, query_string={"x": payload}),
    ):
        assert answer.mimetype == "application/problem+json" or payload not in answer.get_data(as_text=True)
        assert "script-src" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_a_body_that_ends_early_is_refused_wherever_it_ends(api: Api) -> None:
    stream = b'--B\r\nContent-Disposition: form-data; name="file"; filename="c"\r\n\r\n' + jpeg(64)[:200] + b"\r\n--B--"
    for cut in range(0, len(stream), 7):
        answer = api.call("POST", LIST, data=io.BytesIO(stream[:cut]), content_type="multipart/form-data; boundary=B")
        assert answer.status_code in (400, 422), (cut, answer.get_data())


def test_any_header_of_nonsense_is_survived(api: Api) -> None:
    for name in (
        "Prefer",
        "Idempotency-Key",
        "X-Request-Id",
        "Last-Event-ID",
        "Content-Type",
        "Accept",
        "Range",
        "If-None-Match",
    ):
        for value in ("", "\xff\xfe", "x" * 4_000, "wait=99999999999999999999", "a;b;c=,,,=", '"'):
            headers: dict[str, Any] = {name: value}
            assert api.call("POST", LIST, data=b"{}", headers=headers).status_code < 500
            assert api.call("GET", LIST, headers=headers).status_code < 500
