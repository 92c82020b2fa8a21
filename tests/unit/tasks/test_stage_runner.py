"""The heart, on a real ledger and real files: what a micro-batch leaves behind, also when everything goes wrong."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
import sqlalchemy as sa

from db import ledger, views
from pipeline.contracts import RunState
from pipeline.faults import FaultInjected, arm
from tests.invariants import violations
from tests.unit.tasks.tiny import SHADE, Workshop

NEIGHBOURS = (b"\x10", b"\x20")


def through(shop: Workshop, *contents: bytes) -> list[str]:
    """Where the scans of these pictures stand after fetch and one micro-batch of shade."""
    scans = [shop.submit(content) for content in contents]
    shop.step("tiny_fetch")
    shop.step("tiny_shade")
    return [shop.mill.states(scan)["tiny_shade"] for scan in scans]


def test_a_scan_runs_to_its_report_with_its_files(shop: Workshop) -> None:
    scan = shop.submit(b"\x40")
    for name in shop.mill.stage_ids:
        assert shop.step(name) == 1
    with shop.database.begin() as connection:
        shown = views.get(connection, shop.mill.tenant_id, scan)
    assert shown is not None
    assert (shown["status"], shown["report"]) == ("succeeded", {"shade": 64.0, "code": None, "sure": None})
    assert [a["name"] for a in shown["artifacts"]] == ["original", "shade"]
    assert shop.files() == {a["sha256"] for a in shown["artifacts"]}
    (row,) = shop.mill.query(
        "SELECT provenance FROM result JOIN stage_run r ON r.result_id = result.id WHERE r.stage_id = 2"
    )
    assert row.provenance["stage_version"] == 1


@pytest.mark.parametrize(
    ("bad", "state"),
    [
        (b"raise", "ready INTERNAL_ERROR"),
        (b"reject", "rejected NOT_A_CAT"),
        (b"corrupt", "rejected CORRUPT_IMAGE"),
        (b"away", "ready STORAGE_UNAVAILABLE"),
        (b"slow server", "ready URL_TIMEOUT"),
        (b"nan", "ready INTERNAL_ERROR"),
        (b"nul", "ready INTERNAL_ERROR"),
        (b"half", "ready INTERNAL_ERROR"),
        (b"not json", "ready INTERNAL_ERROR"),
        (b"nan verdict", "ready INTERNAL_ERROR"),
        (b"alpha jpeg", "ready INTERNAL_ERROR"),
    ],
)
def test_one_bad_item_never_fails_its_neighbours(shop: Workshop, bad: bytes, state: str) -> None:
    assert through(shop, NEIGHBOURS[0], bad, NEIGHBOURS[1]) == ["ok", state, "ok"]
    assert violations(shop.database) == []


def test_a_micro_batch_that_raises_is_run_one_by_one_and_no_other_is(shop: Workshop) -> None:
    through(shop, *NEIGHBOURS)
    assert SHADE.calls == []
    assert shop.runnable("tiny_shade").stage.calls == [2]  # type: ignore[attr-defined]
    through(shop, b"\x30", b"raise", b"\x31")
    assert shop.runnable("tiny_shade").stage.calls[1:] == [3, 1, 1, 1]  # type: ignore[attr-defined]


def test_a_bug_is_tried_twice_and_then_told_without_its_text(shop: Workshop) -> None:
    scan = shop.submit(b"raise")
    shop.step("tiny_fetch")
    shop.step("tiny_shade")
    shop.mill.execute("UPDATE stage_run SET not_before = '-infinity'")
    shop.step("tiny_shade")
    shop.step("build_report")
    assert shop.mill.states(scan)["tiny_shade"] == "failed INTERNAL_ERROR"
    assert shop.mill.status(scan) == "partial INTERNAL_ERROR"
    assert "ends the whole" not in str(shop.mill.query("SELECT * FROM event")) + str(
        shop.mill.query("SELECT * FROM result")
    )


def test_a_verdict_keeps_its_numbers_for_the_report(shop: Workshop) -> None:
    scan = shop.submit(b"reject")
    for name in shop.mill.stage_ids:
        shop.step(name)
    with shop.database.begin() as connection:
        shown = views.get(connection, shop.mill.tenant_id, scan)
    assert shown is not None
    assert (shown["status"], shown["report"]) == ("rejected", {"shade": None, "code": "NOT_A_CAT", "sure": 0.25})


def test_files_come_before_rows(shop: Workshop) -> None:
    """Killed between the two, a file is left that no row names; never the other way round."""
    shop.submit(b"\x40")
    shop.step("tiny_fetch")
    before = shop.files()
    claims = shop.claim("tiny_shade")
    arm('[{"point": "tiny_shade.after_put", "action": "raise"}]', "test")
    try:
        with pytest.raises(FaultInjected):
            shop.runner.run(shop.runnable("tiny_shade"), claims)
    finally:
        arm("", "test")
    assert len(shop.files() - before) == 1
    assert {r.sha256 for r in shop.mill.query("SELECT sha256 FROM artifact")} == before
    assert shop.runner.run(shop.runnable("tiny_shade"), claims).ended == {claims[0].run_id}
    assert {r.sha256 for r in shop.mill.query("SELECT sha256 FROM artifact")} == shop.files()


def test_killed_before_its_commit_nothing_has_happened(shop: Workshop) -> None:
    scan = shop.submit(b"\x40")
    claims = shop.claim("tiny_fetch")
    arm('[{"point": "tiny_fetch.before_commit", "action": "raise"}]', "test")
    try:
        with pytest.raises(FaultInjected):
            shop.runner.run(shop.runnable("tiny_fetch"), claims)
    finally:
        arm("", "test")
    assert shop.mill.states(scan) == {"tiny_fetch": "leased", "tiny_shade": "blocked", "build_report": "blocked"}
    assert shop.mill.query("SELECT 1 FROM result") == [] == shop.mill.query("SELECT 1 FROM artifact")


def test_who_lost_the_lease_stores_nothing_twice(shop: Workshop) -> None:
    shop.submit(b"\x40")
    shop.step("tiny_fetch")
    late = shop.claim("tiny_shade")
    shop.mill.overdue()
    with shop.database.begin() as connection:
        ledger.expire(connection)
    assert shop.step("tiny_shade") == 1
    before = (shop.files(), shop.mill.query("SELECT * FROM result ORDER BY id"), shop.mill.query("SELECT * FROM event"))
    assert shop.runner.run(shop.runnable("tiny_shade"), late).ended == frozenset()
    after = (shop.files(), shop.mill.query("SELECT * FROM result ORDER BY id"), shop.mill.query("SELECT * FROM event"))
    assert after == before


def test_a_commit_is_tried_again_when_the_database_goes_away(shop: Workshop) -> None:
    scan = shop.submit(b"\x40")
    claims = shop.claim("tiny_fetch")
    killed = threading.Event()

    def cut(connection: sa.Connection, *_: object) -> None:
        if not killed.is_set():
            killed.set()
            pid = connection.connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]
            with sa.create_engine(shop.database.engine.url).connect() as other:
                other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            time.sleep(0.1)

    sa.event.listen(
        shop.database.engine,
        "before_cursor_execute",
        lambda connection, cursor, statement, *_: cut(connection) if "INSERT INTO result " in statement else None,
    )
    assert shop.runner.run(shop.runnable("tiny_fetch"), claims).ended == {claims[0].run_id}
    assert killed.is_set()
    assert shop.mill.states(scan)["tiny_fetch"] == "ok"
    assert len(shop.mill.query("SELECT 1 FROM event WHERE kind = 'stage'")) == 1


def test_followers_go_on_when_the_one_they_waited_for_is_done(shop: Workshop) -> None:
    scans = [shop.submit(b"\x40") for _ in range(3)]
    claims = shop.claim("tiny_fetch")
    assert len(claims) == 1
    done = shop.runner.run(shop.runnable("tiny_fetch"), claims)
    assert {shop.mill.states(scan)["tiny_fetch"] for scan in scans} == {"ok"}
    assert [r.stage for r in done.ready] == ["tiny_shade"]


def test_a_missing_model_is_trouble_of_ours_and_tried_again(shop: Workshop) -> None:
    scan = shop.submit(b"\x40")
    runnable = shop.runnable("tiny_fetch")
    pinned = replace(runnable, spec=replace(runnable.spec, models={"net": "a" * 64}))
    shop.runner.run(pinned, shop.claim("tiny_fetch"))
    assert shop.mill.states(scan)["tiny_fetch"] == "ready MODEL_UNAVAILABLE"


def test_a_picture_that_is_gone_or_spoilt_ends_after_a_few_tries(shop: Workshop) -> None:
    scan = shop.submit(b"\x40")
    for sha256 in shop.files():
        next(shop.storage._root.rglob(sha256)).write_bytes(b"spoilt")
    for attempt in range(1, 5):
        shop.step("tiny_fetch")
        expected = RunState.READY if attempt < 4 else RunState.FAILED
        assert shop.mill.states(scan)["tiny_fetch"] == f"{expected} INPUT_CORRUPT"
        shop.mill.execute("UPDATE stage_run SET not_before = '-infinity'")
