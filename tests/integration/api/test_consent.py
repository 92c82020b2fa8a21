"""Words on training over HTTP: where they are said, how they are shown, withdrawn, and that nothing is computed by them."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from tasks.retention import erase
from tests.integration.api import eyes
from tests.integration.api.harness import Api, problem
from tests.integration.api.pictures import jpeg

pytest_plugins = ("tests.integration.api.fixtures",)

YES = {"training": True}
TEXT = json.dumps(YES)


def key_id(api: Api, token: str = "a") -> str:
    return api.tokens[token].split("_")[1]


def consent(api: Api, scan_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.call("GET", f"/v1/scans/{scan_id}").json["consent"]
    return found


def test_nobody_has_consented_unless_it_was_said(api: Api) -> None:
    assert consent(api, api.scan()) == {"training": None, "at": None, "by": None}
    assert api.call("GET", "/v1/consent").json == {"training": False, "at": None, "by": None}


def test_a_scan_says_so_with_its_picture_and_by_which_key(api: Api) -> None:
    told = consent(api, api.scan(consent=TEXT))
    assert (told["training"], told["by"]) == (True, key_id(api)) and told["at"]
    made = api.call("POST", "/v1/scans", json={"object_key": "x.jpg", "consent": {"training": False}}).json["id"]
    assert consent(api, made)["training"] is False
    listed = api.call("GET", "/v1/scans").json["items"]
    assert [each["consent"]["training"] for each in listed] == [False, True]


@pytest.mark.parametrize("given", ["true", "{}", '{"training": "yes"}', '{"training": true, "more": 1}', "[]", "{"])
def test_a_word_that_is_none_is_refused(api: Api, given: str) -> None:
    assert problem(api.submit(consent=given)) == (422, "INVALID_FIELD")
    assert api.call("GET", "/v1/scans").json["items"] == []


def test_it_is_withdrawn_and_given_again_and_what_was_said_before_is_kept(api: Api) -> None:
    scan = api.scan(consent=TEXT)
    first = consent(api, scan)
    path = f"/v1/scans/{scan}/consent"
    withdrawn = api.call("PUT", path, "a scans:write", json={"training": False}).json
    assert (withdrawn["training"], withdrawn["by"]) == (False, key_id(api, "a scans:write"))
    assert withdrawn["at"] > first["at"]
    assert api.call("PUT", path, json={"training": False}).json == withdrawn, "the same word is no new one"
    api.work()
    assert api.call("PUT", path, json=YES).json["training"] is True, "after its end, too"
    with api.here.database.begin() as connection:
        past = connection.exec_driver_sql("SELECT training, said_by FROM consent_past ORDER BY id").all()
    assert [tuple(each) for each in past] == [(True, key_id(api)), (False, key_id(api, "a scans:write"))]


def test_a_tenant_s_word_is_its_administrator_s(api: Api) -> None:
    assert problem(api.call("PUT", "/v1/consent", "a scans:write", json=YES)) == (403, "FORBIDDEN_SCOPE")
    told = api.call("PUT", "/v1/consent", "a admin", json=YES).json
    assert (told["training"], told["by"]) == (True, key_id(api, "a admin"))
    assert api.call("GET", "/v1/consent", "a scans:read").json == told
    for bad in ({}, {"training": None}, {"training": 1}, {"training": True, "more": 1}):
        assert problem(api.call("PUT", "/v1/consent", json=bad)) == (422, "INVALID_FIELD")


def test_nothing_is_computed_again_for_another_word(api: Api) -> None:
    first = api.scan()
    assert api.work() == 3
    again = api.submit(consent=TEXT)
    assert again.status_code == 200 and again.json["consent"]["training"] is True
    assert all(stage["reused"] for stage in again.json["stages"])
    assert consent(api, first)["training"] is None


def test_a_repeated_key_with_another_word_is_another_request(api: Api) -> None:
    once = {"Idempotency-Key": "once"}
    assert api.submit(consent=TEXT, headers=once).status_code == 202
    assert api.submit(consent=TEXT, headers=once).status_code == 200
    assert problem(api.submit(headers=once)) == (409, "IDEMPOTENCY_CONFLICT")


def test_a_retry_keeps_the_word_with_its_time_and_key(api: Api) -> None:
    scan = api.scan(consent=TEXT)
    api.work()
    again = api.call("POST", f"/v1/scans/{scan}/retry", "a scans:write").json["id"]
    assert consent(api, again) == consent(api, scan)


def test_lines_of_a_batch_have_its_word_or_their_own(api: Api) -> None:
    batch = api.call("POST", "/v1/batches", "a admin", json={"consent": YES})
    assert problem(batch) == (403, "FORBIDDEN_SCOPE")
    batch = api.call("POST", "/v1/batches", "a scans:write", json={"consent": YES}).json
    assert batch["consent"] == YES
    path = f"/v1/batches/{batch['id']}"
    items = [
        {"custom_id": "unsaid", "object_key": "1.jpg"},
        {"custom_id": "no", "object_key": "2.jpg", "consent": {"training": False}},
    ]
    assert api.call("POST", f"{path}/items", json={"items": items}).json["added"] == 2
    form = {"file": (io.BytesIO(jpeg()), "3.jpg"), "custom_id": "yes", "consent": TEXT}
    assert api.call("POST", f"{path}/items", data=form).json["added"] == 1
    bad = {"items": [{"custom_id": "x", "object_key": "4.jpg", "consent": "yes"}]}
    assert problem(api.call("POST", f"{path}/items", json=bad)) == (422, "INVALID_FIELD")
    lines = api.call("GET", f"{path}/items").json["items"]
    said = {line["custom_id"]: consent(api, line["scan_id"]) for line in lines}
    assert {name: (word["training"], word["by"]) for name, word in said.items()} == {
        "unsaid": (True, key_id(api, "a scans:write")),
        "no": (False, key_id(api)),
        "yes": (True, key_id(api)),
    }


def test_a_deleted_scan_is_unknown_and_its_picture_is_removed(api: Api) -> None:
    scan = api.scan(headers={"Idempotency-Key": "once"})
    api.work()
    path = f"/v1/scans/{scan}"
    assert problem(api.call("DELETE", path, "a scans:read")) == (403, "FORBIDDEN_SCOPE")
    assert api.call("DELETE", path).status_code == 204
    for rest in ("", "/events", "/artifacts/preview"):
        assert problem(api.call("GET", path + rest)) == (404, "NOT_FOUND")
    assert problem(api.call("DELETE", path)) == (404, "NOT_FOUND")
    counts = api.call("GET", "/v1/system").json["scans"]
    assert {name: n for name, n in counts.items() if n} == {"submitted": 1, "deleted": 1}
    erase(api.here.database, api.here.storage)
    assert list(api.here.storage.walk(f"t/{api.tenants['a']}")) == []
    again = api.submit(headers={"Idempotency-Key": "once"})
    while again.status_code == 503:  # within a second of the removal: a client tries again
        assert again.headers["Retry-After"]
        again = api.submit(headers={"Idempotency-Key": "once"})
    assert again.status_code == 202 and again.json["id"] != scan


def test_the_seed_s_calls_for_eyes_take_the_word_too(api: Api) -> None:
    eyes.publish(api)
    form = {"image": (io.BytesIO(jpeg()), "eye.jpg"), "consent": TEXT}
    asked = api.call("POST", "/predict_ensemble", data=form, headers={"Prefer": "respond-async"})
    assert consent(api, asked.json["scan_id"])["training"] is True
    source = {"object_key": "eye.jpg", "consent": {"training": False}}
    asked = api.call("POST", "/predict_ensemble", json=source, headers={"Prefer": "respond-async"})
    assert consent(api, asked.json["scan_id"])["training"] is False
    two = [(io.BytesIO(jpeg(shade=shade)), f"{shade}.jpg") for shade in (20, 40)]
    batch = api.call("POST", "/predict_batch", data={"images": two, "consent": TEXT}).json
    said = [consent(api, line["scan_id"]) for line in batch["results"]]
    assert [(word["training"], word["by"]) for word in said] == [(True, key_id(api))] * 2
    bad = {"images": [(io.BytesIO(jpeg()), "x.jpg")], "consent": "yes"}
    assert problem(api.call("POST", "/predict_batch", data=bad)) == (422, "INVALID_FIELD")
