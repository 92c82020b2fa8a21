"""Batches over HTTP: opened, filled, steered, read, retried, done again and compared, every response to its shape."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from db import admission, batch_again, batch_ends, pipelines
from db.results import settle_followers
from tests.integration.api.harness import SPECIFICATION, Api, problem
from tests.integration.api.pictures import jpeg

pytest_plugins = ("tests.integration.api.fixtures",)


def opened(api: Api, token: str = "a", **body: Any) -> str:
    response = api.call("POST", "/v1/batches", token, json=body)
    assert response.status_code == 201, response.get_data(as_text=True)
    assert response.headers["Location"] == f"/v1/batches/{response.json['id']}"
    return str(response.json["id"])


def upload(api: Api, batch: str, name: str, content: bytes | None = None, **fields: str) -> TestResponse:
    file = FileStorage(io.BytesIO(jpeg(shade=hash(name) % 256) if content is None else content), name)
    boundary, body = encode_multipart({"file": file, **fields})
    kind = f"multipart/form-data; boundary={boundary}"
    return api.call("POST", f"/v1/batches/{batch}/items", data=body, content_type=kind)


def say(api: Api, batch: str, verb: str, token: str = "a", **body: Any) -> TestResponse:
    more = {"json": body} if body or verb in ("retry", "reprocess") else {}
    return api.call("POST", f"/v1/batches/{batch}/{verb}", token, **more)


def turn(api: Api) -> None:
    """What control and a worker do, until nothing is left."""
    for _ in range(4):
        with api.here.database.begin() as connection:
            batch_ends.stop_hopeless(connection)
            batch_ends.cancel_page(connection)
            batch_again.list_page(connection)
            batch_ends.finish(connection)
            admission.admit(connection, 1000)
        api.work()
        with api.here.database.begin() as connection:
            settle_followers(connection)


def shown(api: Api, batch: str) -> dict[str, Any]:
    found: dict[str, Any] = api.call("GET", f"/v1/batches/{batch}").json
    assert (
        sum(n for name, n in found["counts"].items() if name != "items") == found["counts"]["items"] == found["items"]
    )
    return found


def export(api: Api, batch: str, query: str = "") -> list[dict[str, Any]]:
    text = api.call("GET", f"/v1/batches/{batch}/export{query}").get_data(as_text=True)
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def done(api: Api) -> str:
    """A batch of two pictures, an address and a file that is no picture, at its end."""
    batch = opened(api, name="portraits")
    upload(api, batch, "one.jpg", fields='{"owner": "=cmd()"}')
    upload(api, batch, "torn.jpg", b"not a picture")
    upload(api, batch, "two.jpg", custom_id="second", options='{"generate_preview": false}')
    items = [{"custom_id": "far", "image_url": "https://example.org/cat.jpg", "fields": {"n": 1}}]
    assert say(api, batch, "items", items=items).json == {"added": 1, "refused": 0, "known": 0, "items": 4}
    say(api, batch, "finalise")
    turn(api)
    return batch


def test_a_batch_takes_pictures_addresses_and_bad_files_and_counts_them_all(api: Api, done: str) -> None:
    found = shown(api, done)
    assert (found["state"], found["counts"]["succeeded"], found["counts"]["refused"]) == ("succeeded", 3, 1)
    lines = api.call("GET", f"/v1/batches/{done}/items").json["items"]
    assert [(line["n"], line["custom_id"], line["status"]) for line in lines] == [
        (1, "one.jpg", "succeeded"),
        (2, "torn.jpg", "refused"),
        (3, "second", "succeeded"),
        (4, "far", "succeeded"),
    ]
    wrong = api.call("GET", f"/v1/batches/{done}/errors").json
    assert [(line["custom_id"], line["code"], line["stage"]) for line in wrong["items"]] == [
        ("torn.jpg", "UNSUPPORTED_FORMAT", "submit")
    ]
    assert wrong["codes"] == [{"code": "UNSUPPORTED_FORMAT", "status": "refused", "n": 1}]
    scan = api.call("GET", f"/v1/scans/{lines[0]['scan_id']}").json
    assert (scan["filename"], scan["priority"]) == ("one.jpg", "bulk")


def test_exports_hold_every_line_with_its_fields_and_no_formula(api: Api, done: str) -> None:
    lines = export(api, done)
    assert [line["custom_id"] for line in lines] == ["one.jpg", "torn.jpg", "second", "far"]
    assert (lines[0]["report"], lines[1]["report"], lines[3]["fields"]) == ({"subject": "cat"}, None, {"n": 1})
    assert [line["n"] for line in export(api, done, "?status=refused")] == [2]
    text = api.call("GET", f"/v1/batches/{done}/export?format=csv").get_data(as_text=True)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["status"] for row in rows] == ["succeeded", "refused", "succeeded", "succeeded"]
    batch = opened(api)
    upload(api, batch, "x.jpg", custom_id="=1+1")
    text = api.call("GET", f"/v1/batches/{batch}/export?format=csv").get_data(as_text=True)
    assert next(csv.DictReader(io.StringIO(text)))["custom_id"] == "'=1+1"


def test_pages_go_on_where_the_last_one_ended(api: Api, done: str) -> None:
    first = api.call("GET", f"/v1/batches/{done}/items?limit=3").json
    rest = api.call("GET", f"/v1/batches/{done}/items?limit=3&cursor={first['next_cursor']}").json
    assert [line["n"] for line in first["items"] + rest["items"]] == [1, 2, 3, 4]
    assert rest["next_cursor"] is None
    opened(api)
    page = api.call("GET", "/v1/batches?limit=1").json
    assert api.call("GET", f"/v1/batches?cursor={page['next_cursor']}").json["items"][0]["id"] == done


def test_sending_a_line_again_changes_nothing(api: Api) -> None:
    batch = opened(api)
    assert upload(api, batch, "one.jpg").json["added"] == 1
    assert upload(api, batch, "one.jpg").json == {"added": 0, "refused": 0, "known": 1, "items": 1}
    same = {"Idempotency-Key": "k"}
    first = api.call("POST", "/v1/batches", json={"name": "x"}, headers=same)
    second = api.call("POST", "/v1/batches", json={"name": "x"}, headers=same)
    assert (first.status_code, second.status_code, second.json["id"]) == (201, 200, first.json["id"])
    assert problem(api.call("POST", "/v1/batches", json={}, headers=same)) == (409, "IDEMPOTENCY_CONFLICT")


def test_pause_resume_priority_and_cancel(api: Api) -> None:
    batch = opened(api, priority=3, failure_budget=5)
    for name in ("a.jpg", "b.jpg"):
        upload(api, batch, name)
    assert say(api, batch, "pause").json["state"] == "paused"
    turn(api)
    assert shown(api, batch)["counts"]["queued"] == 2
    assert api.call("PATCH", f"/v1/batches/{batch}", json={"priority": -7}).json["priority"] == -7
    assert say(api, batch, "resume").json["state"] == "open"
    assert say(api, batch, "cancel").json["state"] == "running"
    assert shown(api, batch)["counts"]["cancelled"] == 2
    turn(api)
    assert shown(api, batch)["state"] == "cancelled"
    assert problem(say(api, batch, "pause")) == (409, "BATCH_ENDED")
    assert problem(upload(api, batch, "late.jpg")) == (409, "BATCH_CLOSED")


def test_chosen_lines_are_scanned_again_in_place(api: Api, done: str) -> None:
    before = [line["scan_id"] for line in export(api, done)]
    assert say(api, done, "retry").json.items() >= {"id": done, "retried": 0, "more": False}.items()
    assert say(api, done, "retry", status="succeeded", options={"generate_preview": False}).json["retried"] == 3
    turn(api)
    after = [line["scan_id"] for line in export(api, done)]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True, False, False]
    assert api.call("GET", f"/v1/scans/{after[0]}").json["retry_of"] == before[0]
    assert shown(api, done)["counts"]["succeeded"] == 3


def test_a_batch_is_done_again_and_compared(api: Api, done: str) -> None:
    changed = [{**stage, "version": 2} for stage in SPECIFICATION["stages"]]  # type: ignore[attr-defined]
    with api.here.database.begin() as connection:
        pipelines.publish(connection, {**SPECIFICATION, "stages": changed})
    response = say(api, done, "reprocess", name="again")
    again = str(response.json["id"])
    assert (response.status_code, response.json["state"], response.json["parent"]) == (202, "listing", done)
    assert problem(say(api, again, "retry")) == (409, "BATCH_CLOSED")
    turn(api)
    assert shown(api, again)["state"] == "succeeded"
    assert shown(api, again)["pipeline_version"] != shown(api, done)["pipeline_version"]
    found = api.call("GET", f"/v1/batches/{done}/diff/{again}?max_ends=0&max_flips=0.1").json
    assert (found["lines"], found["ends"], found["worst"], found["pass"]) == (4, 0.0, [], True)
    empty = opened(api)
    found = api.call("GET", f"/v1/batches/{done}/diff/{empty}").json
    assert (found["lines"], found["only_before"], found["only_after"]) == (0, 4, 0)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"items": []}, "items"),
        ({"items": [{"custom_id": "a"}]}, "items[0]"),
        ({"items": [{"image_url": "https://example.org/a"}]}, "items[0].custom_id"),
        ({"items": [{"custom_id": "a", "image_url": "https://example.org/a", "object_key": "b"}]}, "items[0]"),
        ({"items": [{"custom_id": "a", "object_key": "b", "options": {"nonsense": True}}]}, "options.nonsense"),
        ({"items": [{"custom_id": "a", "object_key": "b", "fields": 3}]}, "fields"),
        ({"lines": []}, "lines"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_whole(api: Api, body: dict[str, Any], field: str) -> None:
    batch = opened(api)
    response = say(api, batch, "items", **body)
    assert (problem(response), response.json["errors"][0]["field"]) == ((422, "INVALID_FIELD"), field)
    assert shown(api, batch)["items"] == 0


def test_an_address_that_may_not_be_fetched_is_a_refused_line(api: Api) -> None:
    batch = opened(api)
    items = [
        {"custom_id": "inside", "image_url": "http://127.0.0.1/x"},
        {"custom_id": "up", "object_key": "../other"},
    ]
    assert say(api, batch, "items", items=items).json["refused"] == 2
    codes = [line["code"] for line in api.call("GET", f"/v1/batches/{batch}/errors").json["items"]]
    assert codes == ["URL_ADDRESS_NOT_ALLOWED", "PATH_NOT_ALLOWED"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {"priority": 101}),
        ("", {"priority": True}),
        ("", {"failure_budget": -1}),
        ("", {"pipeline": "dogs"}),
        ("", {"options": {"nonsense": False}}),
        ("/retry", {"status": "asleep"}),
        ("/retry", {"code": ""}),
        ("/retry", {"code": "x" * 300}),
    ],
)
def test_wrong_values_are_refused_by_name(api: Api, path: str, body: dict[str, Any]) -> None:
    address = f"/v1/batches/{opened(api)}{path}" if path else "/v1/batches"
    response = api.call("POST", address, json=body)
    assert problem(response) == (422, "INVALID_FIELD")
    assert response.json["errors"][0]["field"].split(".")[0] == next(iter(body))


def test_texts_that_no_column_holds_are_refused_by_name(api: Api, done: str) -> None:
    for query in ("code=%00", "stage=%00", "status=asleep"):
        assert problem(api.call("GET", f"/v1/batches/{done}/items?{query}")) == (422, "INVALID_FIELD"), query
    batch = opened(api)
    for name in ("a\x00b", "字" * 400):
        assert problem(upload(api, batch, "x.jpg", custom_id=name)) == (422, "INVALID_FIELD"), name
    assert api.call("GET", f"/v1/batches/{done}/items?status=deleted").json["items"] == []


def test_another_tenant_finds_nothing_and_reading_is_not_writing(api: Api, done: str) -> None:
    for method, path in (
        ("GET", ""),
        ("GET", "/items"),
        ("GET", "/errors"),
        ("GET", "/export"),
        ("GET", f"/diff/{done}"),
        ("POST", "/pause"),
        ("POST", "/cancel"),
    ):
        assert problem(api.call(method, f"/v1/batches/{done}{path}", "b")) == (404, "NOT_FOUND"), path
    assert problem(say(api, done, "retry", "b")) == (404, "NOT_FOUND")
    assert problem(say(api, done, "cancel", "a scans:read")) == (403, "FORBIDDEN_SCOPE")
    assert api.call("GET", "/v1/batches", "b").json["items"] == []
