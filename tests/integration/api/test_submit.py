"""Submitting: what is accepted is in the ledger and in storage, exactly once, whatever else is away."""

from __future__ import annotations

import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from cli.embedded import EmbeddedPostgres
from db import pipelines, scans, views
from pipeline import faults
from storage.keys import artifact_key
from tests.integration.api.harness import SPECIFICATION, Api, problem
from tests.integration.api.pictures import jpeg

pytest_plugins = ("tests.integration.api.fixtures",)


def rows(api: Api) -> int:
    with api.here.database.begin() as connection:
        return views.counts(connection, None)["submitted"]


def files(storage_dir: Path) -> list[Path]:
    return [path for path in storage_dir.rglob("*") if path.is_file()]


def test_an_upload_is_stored_under_its_digest_and_waits_in_the_ledger(api: Api) -> None:
    response = api.submit(name="Mieze.JPG")
    assert response.status_code == 202
    assert response.json["status"] == "queued"
    assert response.headers["Location"] == f"/v1/scans/{response.json['id']}"
    sha256 = hashlib.sha256(jpeg()).hexdigest()
    assert api.here.storage.get(artifact_key(api.tenants["a"], sha256)) == jpeg()
    scan = api.call("GET", response.headers["Location"]).json
    assert (scan["status"], scan["filename"], scan["priority"]) == ("queued", "Mieze.JPG", "interactive")
    assert [stage["name"] for stage in scan["stages"]] == ["fetch_input", "render_preview", "build_report"]


@pytest.mark.parametrize(
    ("body", "kind", "ref"),
    [
        ({"image_url": "https://pictures.example/cat.jpg"}, "url", "https://pictures.example/cat.jpg"),
        ({"object_key": "2026/cat.jpg"}, "object", None),
    ],
)
def test_a_reference_is_kept_for_the_worker(api: Api, body: dict[str, Any], kind: str, ref: str | None) -> None:
    response = api.call("POST", "/v1/scans", json={**body, "priority": "bulk", "options": {"generate_preview": False}})
    assert response.status_code == 202
    with api.here.database.begin() as connection:
        kept = scans.source(connection, api.tenants["a"], UUID(response.json["id"]))
    assert kept is not None
    assert kept.input_kind == kind
    assert kept.input_ref == ref or (ref is None and str(api.tenants["a"]) in kept.input_ref)
    assert kept.options == {"generate_preview": False}
    assert kept.lane.name == "BULK"


def test_a_switched_off_stage_is_skipped(api: Api) -> None:
    scan_id = api.scan(options='{"generate_preview": false}')
    api.work()
    scan = api.call("GET", f"/v1/scans/{scan_id}").json
    assert {s["name"]: (s["state"], s["code"]) for s in scan["stages"]}["render_preview"] == ("skipped", "SWITCHED_OFF")
    assert scan["status"] == "succeeded"


def test_a_repeated_key_gives_the_same_scan_with_200(api: Api) -> None:
    first = api.submit(headers={"Idempotency-Key": "one"})
    again = api.submit(headers={"Idempotency-Key": "one"})
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json["id"] == again.json["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert rows(api) == 1


@pytest.mark.parametrize(
    "other",
    [{"content": jpeg(shade=1)}, {"name": "dog.jpg"}, {"priority": "bulk"}, {"options": '{"generate_preview": false}'}],
)
def test_a_repeated_key_with_another_request_is_refused(api: Api, other: dict[str, Any]) -> None:
    api.scan(headers={"Idempotency-Key": "one"})
    assert problem(api.submit(headers={"Idempotency-Key": "one"}, **other)) == (409, "IDEMPOTENCY_CONFLICT")
    assert rows(api) == 1


def test_a_key_belongs_to_its_tenant(api: Api) -> None:
    assert api.scan(headers={"Idempotency-Key": "one"}) != api.scan("b", headers={"Idempotency-Key": "one"})


def test_the_same_picture_again_is_answered_without_work(api: Api) -> None:
    api.scan()
    assert api.work() == 3
    again = api.submit()
    assert again.status_code == 200
    assert again.json["status"] == "succeeded"
    assert api.work() == 0


def test_a_scan_that_is_waited_for_comes_back_finished(api: Api) -> None:
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(api.submit, headers={"Prefer": "respond-async, wait=20"})
        while not api.work():
            time.sleep(0.02)
        response = waiting.result()
    assert response.status_code == 200
    assert response.json["status"] == "succeeded"
    assert response.json["report"] == {"subject": "cat"}
    assert response.headers["Preference-Applied"] == "wait=20"


def test_a_wait_that_ends_too_early_is_a_202(api: Api) -> None:
    began = time.monotonic()
    response = api.submit(headers={"Prefer": "wait=1"})
    assert response.status_code == 202
    assert 1 <= time.monotonic() - began < 10


def test_a_database_that_goes_away_during_the_wait_takes_nothing_back(api: Api, postgres: EmbeddedPostgres) -> None:
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(api.submit, headers={"Prefer": "wait=20"})
        while rows(api) == 0:
            time.sleep(0.02)
        postgres.psql("ALTER DATABASE api_tests ALLOW_CONNECTIONS false")
        try:
            postgres.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'api_tests'")
            response = waiting.result(20)
        finally:
            postgres.psql("ALTER DATABASE api_tests ALLOW_CONNECTIONS true")
    assert response.status_code == 202
    assert api.call("GET", response.headers["Location"]).json["status"] == "queued"


def test_a_submit_waits_only_while_there_is_a_place_and_is_not_accepted_otherwise(api: Api) -> None:
    places = range(api.here.waits.most)
    for _ in places:
        api.here.waits.acquire()
    response = api.submit(headers={"Prefer": "wait=5"})
    assert problem(response) == (503, "OVERLOADED")
    assert response.headers["Retry-After"]
    assert rows(api) == 0
    assert api.submit().status_code == 202
    for _ in places:
        api.here.waits.release()
    assert api.submit(headers={"Prefer": "wait=0.1, wait=1"}).status_code == 202


def test_a_place_is_given_back_after_a_refusal(api: Api) -> None:
    for _ in range(api.here.waits.most + 1):
        assert problem(api.submit(content=b"", headers={"Prefer": "wait=1"})) == (400, "EMPTY_FILE")


def test_a_refused_picture_leaves_nothing_behind(api: Api, storage_dir: Path) -> None:
    assert problem(api.submit(content=b"just text", name="cat.jpg")) == (415, "UNSUPPORTED_FORMAT")
    assert problem(api.submit(options='{"no_such_switch": true}')) == (422, "INVALID_FIELD")
    assert rows(api) == 0
    assert files(storage_dir) == []


def choosing() -> dict[str, Any]:
    """The pipeline with a stage that reads an option."""
    reads = {"options": ["asset_type"], "option_values": ["fan", "pump"], "any_value": False}
    stages = [
        {**each, "parameters": reads if each["name"] == "build_report" else {}} for each in SPECIFICATION["stages"]
    ]
    return {**SPECIFICATION, "stages": stages}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"asset_type": "valve"}, "must be one of: fan, pump"),
        ({"asset_type": True}, "must be one of: fan, pump"),
        ({"asset_type": "../pump"}, "must be true or false, or a name"),
        ({"generate_preview": "pump"}, "must be true or false"),
        ({"kind": "pump"}, "this pipeline has no such switch"),
    ],
)
def test_a_choice_is_one_of_those_that_the_pipeline_offers(api: Api, options: dict[str, Any], reason: str) -> None:
    with api.here.database.begin() as connection:
        pipelines.publish(connection, choosing())
    chosen = api.submit(options='{"asset_type": "pump"}')
    assert api.call("GET", chosen.headers["Location"]).json["options"] == {"asset_type": "pump"}
    refused = api.submit(options=json.dumps(options))
    assert problem(refused) == (422, "INVALID_FIELD")
    assert refused.json["errors"] == [{"field": f"options.{next(iter(options))}", "reason": reason}]


def test_storage_away_refuses_and_makes_no_scan(api: Api, storage_dir: Path) -> None:
    storage_dir.rename(storage_dir.with_name("gone"))
    storage_dir.write_text("a file where the folder should be")
    response = api.submit()
    assert problem(response) == (503, "STORAGE_UNAVAILABLE")
    assert response.headers["Retry-After"]
    assert rows(api) == 0


def test_a_crash_between_storage_and_ledger_makes_no_scan(api: Api) -> None:
    faults.arm(json.dumps([{"point": "api.after_store", "action": "raise"}]), "test")
    try:
        assert problem(api.submit(headers={"Idempotency-Key": "one"})) == (500, "INTERNAL_ERROR")
        assert rows(api) == 0
        assert api.submit(headers={"Idempotency-Key": "one"}).status_code == 202
        assert rows(api) == 1
    finally:
        faults.arm("", "test")


def test_a_crash_after_the_commit_keeps_the_scan_for_the_clients_second_try(api: Api) -> None:
    faults.arm(json.dumps([{"point": "api.after_commit", "action": "raise"}]), "test")
    try:
        api.submit(headers={"Idempotency-Key": "one"})
        assert rows(api) == 1
        assert api.submit(headers={"Idempotency-Key": "one"}).status_code == 200
        assert rows(api) == 1
        assert api.work() == 3
    finally:
        faults.arm("", "test")


def test_a_system_without_a_pipeline_is_unavailable(api: Api) -> None:
    import sqlalchemy as sa

    with api.here.database.begin() as connection:
        connection.execute(sa.text("DELETE FROM current_pipeline"))
    assert problem(api.submit()) == (503, "MODEL_UNAVAILABLE")
    assert problem(api.submit(options='{"generate_preview": true}')) == (503, "MODEL_UNAVAILABLE")


def test_retry_makes_a_new_scan_of_the_same_picture(api: Api) -> None:
    first = api.scan(name="cat.jpg", options='{"generate_preview": false}')
    assert problem(api.call("POST", f"/v1/scans/{first}/retry")) == (409, "NOT_FINISHED")
    api.work()
    again = api.call("POST", f"/v1/scans/{first}/retry", headers={"Idempotency-Key": "r"})
    repeated = api.call("POST", f"/v1/scans/{first}/retry", headers={"Idempotency-Key": "r"})
    assert again.json["id"] == repeated.json["id"] != first
    scan = api.call("GET", f"/v1/scans/{again.json['id']}").json
    assert (scan["retry_of"], scan["filename"], scan["options"]) == (first, "cat.jpg", {"generate_preview": False})


def test_cancel_is_for_good(api: Api) -> None:
    scan_id = api.scan()
    for _ in range(2):
        response = api.call("POST", f"/v1/scans/{scan_id}/cancel")
        assert (response.status_code, response.json) == (200, {"id": scan_id, "status": "cancelled"})
    assert api.work() == 0
    assert api.call("GET", f"/v1/scans/{scan_id}").json["status"] == "cancelled"


def test_a_finished_scan_cannot_be_cancelled(api: Api) -> None:
    scan_id = api.scan()
    api.work()
    assert problem(api.call("POST", f"/v1/scans/{scan_id}/cancel")) == (409, "ALREADY_FINISHED")
    assert api.call("GET", f"/v1/scans/{scan_id}").json["status"] == "succeeded"
