"""From submission to status: what a scan is while it lives, how it ends, and who may see it."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from db import admission, ledger, pipelines, scans, tenants, views
from db.results import StoredFile
from db.session import Database
from db.sql import rows
from pipeline.contracts import Lane, RunState
from pipeline.errors import IdempotencyConflict, ModelUnavailable
from tests.ledger import Mill, digest, ends, ok, small_pipeline, stage

OPEN = {"look": "blocked", "left": "blocked", "right": "blocked", "extra": "blocked", "report": "blocked"}
DONE = dict.fromkeys(("fetch", "look", "left", "right", "extra", "report"), "ok")


def test_a_scan_is_queued_with_its_source_ready_and_runs_from_the_first_claim(mill: Mill) -> None:
    made = mill.submit("cat")
    assert made.created
    assert [(r.stage, r.celery_queue) for r in made.ready] == [("fetch", "cpu.interactive")]
    assert mill.states(made.scan_id) == {"fetch": "ready", **OPEN}
    assert mill.status(made.scan_id) == "queued"
    claims = mill.claim("fetch")
    with mill.database.begin() as connection:
        ledger.start(connection, [claim.scan_id for claim in claims])
    assert mill.status(made.scan_id) == "running"


def test_successors_become_ready_with_the_result_and_fan_in_waits_for_all(mill: Mill) -> None:
    scan = mill.submit("cat").scan_id
    mill.complete([ok(c) for c in mill.claim("fetch")])
    done = mill.complete([ok(c) for c in mill.claim("look")])
    assert {r.stage for r in done.ready} == {"left", "right"}
    assert {r.celery_queue for r in done.ready} == {"gpu.interactive"}
    mill.complete([ok(c) for c in mill.claim("left")])
    mill.complete([ok(c) for c in mill.claim("extra")])
    assert mill.states(scan)["report"] == "blocked"
    mill.complete([ok(c) for c in mill.claim("right")])
    assert mill.states(scan)["report"] == "ready"
    mill.finish()
    assert (mill.states(scan), mill.status(scan)) == (DONE, "succeeded")


@pytest.mark.parametrize(
    ("name", "outcome", "code", "states", "status"),
    [
        (
            "look",
            RunState.REJECTED,
            "NOT_A_CAT",
            {"left": "skipped UPSTREAM_NOT_OK", "extra": "skipped UPSTREAM_NOT_OK", "report": "ok"},
            "rejected NOT_A_CAT",
        ),
        (
            "left",
            RunState.ABSTAINED,
            "REGION_OUTSIDE_IMAGE",
            {"right": "ok", "extra": "skipped UPSTREAM_NOT_OK", "report": "ok"},
            "partial REGION_OUTSIDE_IMAGE",
        ),
        ("right", RunState.FAILED, "MODEL_OUTPUT_INVALID", {"left": "ok"}, "partial MODEL_OUTPUT_INVALID"),
        ("report", RunState.FAILED, "INTERNAL_ERROR", {"extra": "ok"}, "failed INTERNAL_ERROR"),
        (
            "fetch",
            RunState.FAILED,
            "URL_TIMEOUT",
            {"look": "skipped UPSTREAM_NOT_OK", "report": "ok"},
            "partial URL_TIMEOUT",
        ),
    ],
)
def test_a_scan_ends_as_its_runs_say(
    mill: Mill, name: str, outcome: RunState, code: str, states: dict[str, str], status: str
) -> None:
    scan = mill.submit("cat").scan_id
    mill.finish(*(each for each in mill.stage_ids if each != name))
    mill.complete([ends(c, outcome, code) for c in mill.claim(name)])
    mill.finish()
    assert mill.states(scan) == {**mill.states(scan), name: f"{outcome} {code}", **states}
    assert mill.status(scan) == status


def test_a_stage_switched_off_is_skipped_and_what_needs_it_too(database: Database) -> None:
    specification = small_pipeline()
    specification["stages"].insert(5, stage("polish", ["extra"]))
    mill = Mill(database, specification)
    scan = mill.submit("cat", options={"extra": False}).scan_id
    assert mill.states(scan)["extra"] == "skipped SWITCHED_OFF"
    mill.finish()
    assert mill.states(scan)["polish"] == "skipped UPSTREAM_NOT_OK"
    assert mill.status(scan) == "succeeded"
    on = mill.submit("cat", options={"extra": True}).scan_id
    mill.finish()
    assert mill.states(on)["polish"] == "ok"


def test_without_a_published_pipeline_nothing_is_accepted(mill: Mill) -> None:
    unheard = replace(mill.new("cat"), system="unheard")
    with mill.database.begin() as connection, pytest.raises(ModelUnavailable):
        scans.submit(connection, unheard)
    assert mill.query("SELECT 1 FROM scan") == []


def test_an_idempotency_key_names_one_scan_and_one_request(mill: Mill) -> None:
    first = mill.submit("cat", idempotency_key="k", request_sha256="a")
    again = mill.submit("cat", idempotency_key="k", request_sha256="a")
    assert (again.scan_id, again.created, again.ready) == (first.scan_id, False, [])
    with pytest.raises(IdempotencyConflict):
        mill.submit("dog", idempotency_key="k", request_sha256="b")
    other = Mill(mill.database, tenant_name="other").submit("cat", idempotency_key="k", request_sha256="b")
    assert other.created and other.scan_id != first.scan_id
    assert len(mill.query("SELECT 1 FROM scan")) == 2


def test_cancel_ends_a_scan_for_good(mill: Mill) -> None:
    scan = mill.submit("cat").scan_id
    (held,) = mill.claim("fetch")
    with mill.database.begin() as connection:
        assert scans.cancel(connection, mill.tenant_id, scan) == "cancelled"
    assert set(mill.states(scan).values()) == {"cancelled CANCELLED"}
    assert mill.complete([ok(held)]).ended == frozenset()
    assert mill.query("SELECT 1 FROM result") == []
    with mill.database.begin() as connection:
        assert scans.cancel(connection, mill.tenant_id, scan) == "cancelled"
    assert mill.finish() == 0
    assert mill.status(scan) == "cancelled CANCELLED"


def test_cancel_says_what_had_ended_before_and_knows_no_stranger(mill: Mill) -> None:
    scan = mill.submit("cat").scan_id
    mill.finish()
    stranger = Mill(mill.database, tenant_name="stranger").tenant_id
    with mill.database.begin() as connection:
        assert scans.cancel(connection, mill.tenant_id, scan) == "succeeded"
        assert scans.cancel(connection, stranger, scan) is None
        assert scans.cancel(connection, mill.tenant_id, uuid.uuid4()) is None


def test_a_bulk_scan_cancelled_before_it_is_admitted_never_gets_runs(mill: Mill) -> None:
    scan = mill.submit("cat", Lane.BULK).scan_id
    with mill.database.begin() as connection:
        scans.cancel(connection, mill.tenant_id, scan)
    with mill.database.begin() as connection:
        assert admission.admit(connection, 10) == []
    assert (mill.states(scan), mill.status(scan)) == ({}, "cancelled CANCELLED")


def test_retry_repeats_the_submission_as_a_new_scan(mill: Mill) -> None:
    scan = mill.submit("cat", Lane.BULK, filename="cat.png", options={"extra": False}).scan_id
    with mill.database.begin() as connection:
        again = scans.source(connection, mill.tenant_id, scan)
        assert again is not None
        made = scans.submit(connection, again)
        assert scans.source(connection, uuid.uuid4(), scan) is None
        shown = views.get(connection, mill.tenant_id, made.scan_id)
    assert shown is not None
    assert (shown["retry_of"], shown["filename"], shown["options"]) == (str(scan), "cat.png", {"extra": False})
    assert (again.input_ref, again.input_sha256, again.lane) == ("key/cat", digest("cat"), Lane.BULK)


def test_a_scan_keeps_the_version_it_began_with(mill: Mill) -> None:
    scan = mill.submit("cat").scan_id
    before = dict(mill.stage_ids)
    mill.publish(small_pipeline(look={"version": 2}))
    later = mill.submit("dog").scan_id
    assert {r.stage_id for r in mill.query("SELECT stage_id FROM stage_run WHERE scan_id = :s", s=scan)} == set(
        before.values()
    )
    assert before["look"] not in mill.stage_ids.values()
    with mill.database.begin() as connection:
        found = [views.get(connection, mill.tenant_id, each) or {} for each in (scan, later)]
        assert len({each["pipeline_version"] for each in found}) == 2
        current = pipelines.current(connection, "small")
    assert current is not None and current.options == {"extra"}


def test_every_event_once_in_order_and_again_after_any_number(mill: Mill) -> None:
    scan = mill.submit("cat").scan_id
    mill.finish()
    with mill.database.begin() as connection:
        every = views.events(connection, mill.tenant_id, scan)
        for seq in (0, 1, len(every) - 1, len(every)):
            assert views.events(connection, mill.tenant_id, scan, seq) == every[seq:]
    assert [e["seq"] for e in every] == list(range(1, len(every) + 1))
    assert [e["data"]["stage"] for e in every if e["kind"] == "stage"] == [
        "fetch",
        "look",
        "left",
        "right",
        "extra",
        "report",
    ]
    statuses = [e["data"]["status"] for e in every if e["kind"] == "status"]
    assert statuses == ["queued", "running", "succeeded"]


def test_a_finished_scan_is_shown_whole(mill: Mill) -> None:
    scan = mill.submit("cat").scan_id
    mill.finish("fetch", "look", "left", "right", "extra")
    (last,) = mill.claim("report")
    picture = StoredFile(digest("bytes"), 5, "image/png")
    mill.complete([replace(ok(last, report={"subject": "cat"}), artifacts={"preview": picture})])
    with mill.database.begin() as connection:
        shown = views.get(connection, mill.tenant_id, scan)
        found = views.artifact(connection, mill.tenant_id, scan, "preview")
        assert views.artifact(connection, mill.tenant_id, scan, "other") is None
    assert shown is not None and found is not None
    assert (shown["status"], shown["priority"], shown["events_seq"]) == ("succeeded", "interactive", 9)
    assert [s["state"] for s in shown["stages"]] == ["ok"] * 6
    assert shown["artifacts"] == [
        {"name": "preview", "sha256": digest("bytes"), "size": 5, "media_type": "image/png", "expired": False}
    ]
    assert (found.sha256, found.expired) == (digest("bytes"), False)


def test_no_view_crosses_tenants(mill: Mill) -> None:
    scan = mill.submit("cat").scan_id
    mill.finish()
    other = Mill(mill.database, tenant_name="other")
    with mill.database.begin() as connection:
        assert views.get(connection, other.tenant_id, scan) is None
        assert views.events(connection, other.tenant_id, scan) == []
        assert views.page(connection, other.tenant_id) == ([], None)
        assert views.page(connection, other.tenant_id, after=scan) == ([], None)
        assert views.counts(connection, other.tenant_id)["submitted"] == 0
        assert views.counts(connection, mill.tenant_id)["succeeded"] == 1
    twin = other.submit("cat")
    assert other.states(twin.scan_id)["fetch"] == "ready", "another tenant's results are no cache"


def test_pages_are_stable_while_new_scans_arrive(mill: Mill) -> None:
    made = [mill.submit(f"cat{n}").scan_id for n in range(7)]
    seen, after = [], None
    while True:
        with mill.database.begin() as connection:
            page, after = views.page(connection, mill.tenant_id, after=after, limit=3)
        seen += [each["id"] for each in page]
        mill.submit(f"late{len(seen)}")
        if after is None:
            break
    assert seen == [str(scan) for scan in reversed(made)]
    with mill.database.begin() as connection:
        scans.cancel(connection, mill.tenant_id, made[2])
        found, _ = views.page(connection, mill.tenant_id, status="cancelled", system="small")
        assert [each["id"] for each in found] == [str(made[2])]
        assert views.page(connection, mill.tenant_id, system="other") == ([], None)


def test_counts_add_up_before_and_after_folding(mill: Mill) -> None:
    mill.submit("cat")
    mill.finish()
    gone = mill.submit("dog").scan_id
    mill.submit("cow", Lane.BULK)
    with mill.database.begin() as connection:
        scans.cancel(connection, mill.tenant_id, gone)
        before = views.counts(connection, mill.tenant_id)
        assert admission.fold_counts(connection) > 0
        assert views.counts(connection, mill.tenant_id) == before
        assert admission.fold_counts(connection) == 0
    assert before == {**dict.fromkeys(before, 0), "submitted": 3, "queued": 1, "succeeded": 1, "cancelled": 1}


def test_keys_open_one_tenant_until_they_are_revoked(mill: Mill) -> None:
    with mill.database.begin() as connection:
        key_id, token = tenants.create_key(connection, mill.tenant_id, "ci", frozenset({"scans:read"}))
        principal = tenants.authenticate(connection, token)
        assert principal is not None and principal.tenant_id == mill.tenant_id
        for wrong in (token[:-1], token + "0", "sk_", "", f"sk_{key_id}_", f"sk_{key_id}_é", token.replace("sk", "pk")):
            assert tenants.authenticate(connection, wrong) is None
        stored = str(rows(connection, "SELECT * FROM api_key"))
        assert key_id in stored and token.rpartition("_")[2] not in stored
        assert not tenants.revoke_key(connection, uuid.uuid4(), key_id)
        assert tenants.revoke_key(connection, mill.tenant_id, key_id)
        assert tenants.authenticate(connection, token) is None
        with pytest.raises(ValueError, match="unknown scopes"):
            tenants.create_key(connection, mill.tenant_id, "ci", frozenset({"root"}))
