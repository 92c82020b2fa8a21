"""A batch on a real ledger: every line in exactly one state, whatever is done to it on the way."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID, uuid4

import pytest

from db import admission, batch_again, batch_ends, batch_views, batches, scans
from db.batch_views import Which
from db.batches import Appended, NewBatch, NewItem
from pipeline.contracts import Lane, RunState
from pipeline.errors import BatchClosed, BatchEnded, IdempotencyConflict, ModelUnavailable
from tests.invariants import violations
from tests.ledger import Mill, digest, ends, ok, one_stage, small_pipeline

ALL = Which()


def opened(mill: Mill, **more: Any) -> UUID:
    with mill.database.begin() as connection:
        return batches.create(
            connection, NewBatch(tenant_id=mill.tenant_id, system=mill.specification["system"], **more)
        )[0]


def items(*names: str, code: str | None = None) -> list[NewItem]:
    return [NewItem(custom_id=name, ref=f"key/{name}", sha256=digest(name), code=code) for name in names]


def append(mill: Mill, batch: UUID, new: list[NewItem]) -> Appended:
    with mill.database.begin() as connection:
        done = batches.append(connection, mill.tenant_id, batch, new)
    assert done is not None
    return done


def filled(mill: Mill, *names: str, **more: Any) -> UUID:
    batch = opened(mill, **more)
    append(mill, batch, items(*names))
    change(mill, batches.finalise, batch)
    return batch


def change(mill: Mill, what: Any, batch: UUID, *more: Any) -> bool:
    with mill.database.begin() as connection:
        return bool(what(connection, mill.tenant_id, batch, *more))


def control(mill: Mill, window: int = 100) -> int:
    """One turn of what control does for batches; how many scans were admitted."""
    with mill.database.begin() as connection:
        batch_ends.stop_hopeless(connection)
        while batch_ends.cancel_page(connection, limit=2):
            pass
        while batch_again.list_page(connection, limit=2):
            pass
        batch_ends.finish(connection)
    with mill.database.begin() as connection:
        admission.fold_counts(connection, limit=3)
        admitted = len(admission.admit(connection, window))
    assert violations(mill.database) == []
    return admitted


def shown(mill: Mill, batch: UUID) -> dict[str, Any]:
    with mill.database.begin() as connection:
        found = batch_views.get(connection, mill.tenant_id, batch)
    assert found is not None
    counts = found["counts"]
    assert counts["items"] == sum(n for name, n in counts.items() if name != "items")
    return found


def state(mill: Mill, batch: UUID) -> str:
    found = shown(mill, batch)
    return f"{found['state']} {found['code']}" if found["code"] else str(found["state"])


def lines(mill: Mill, batch: UUID, which: Which = ALL, **more: Any) -> list[tuple[Any, ...]]:
    with mill.database.begin() as connection:
        found = batch_views.items(connection, mill.tenant_id, batch, which, **more)
    return [(line["n"], line["custom_id"], line["status"], line["code"], line["stage"]) for line in found]


def test_a_batch_runs_from_its_first_line_to_the_end_of_its_last(mill: Mill) -> None:
    batch = opened(mill, name="first")
    assert append(mill, batch, items("a", "b")) == Appended(2, 0, 0, 2)
    assert (state(mill, batch), control(mill)) == ("open", 2)
    mill.finish()
    assert append(mill, batch, items("c")) == Appended(1, 0, 0, 3)
    change(mill, batches.finalise, batch)
    assert (state(mill, batch), control(mill)) == ("running", 1)
    mill.finish()
    control(mill)
    assert state(mill, batch) == "succeeded"
    assert shown(mill, batch)["counts"]["succeeded"] == 3
    assert lines(mill, batch) == [(n, name, "succeeded", None, None) for n, name in enumerate("abc", 1)]


def test_a_line_sent_twice_is_one_line_and_a_refused_one_keeps_its_code(mill: Mill) -> None:
    batch = opened(mill)
    assert append(mill, batch, [*items("a", "b"), *items("a")]) == Appended(2, 0, 1, 2)
    assert append(mill, batch, [*items("b"), *items("bad", code="CORRUPT_IMAGE"), *items("c")]) == Appended(1, 1, 1, 4)
    assert lines(mill, batch, Which(statuses=("refused",))) == [
        (3, "bad", "refused", "CORRUPT_IMAGE", "submit"),
    ]
    assert [line[0] for line in lines(mill, batch)] == [1, 2, 3, 4]
    assert [line[0] for line in lines(mill, batch, after=1, limit=2)] == [2, 3]


def test_a_finalised_batch_takes_no_more_and_an_ended_one_does_not_change(mill: Mill) -> None:
    batch = filled(mill, "a")
    with pytest.raises(BatchClosed):
        append(mill, batch, items("late"))
    control(mill)
    mill.finish()
    control(mill)
    for what in (batches.pause, batches.resume, batches.cancel, batches.finalise):
        with pytest.raises(BatchEnded):
            change(mill, what, batch)


def test_a_pause_holds_what_is_not_under_way_and_others_go_on(mill: Mill) -> None:
    held = filled(mill, "a", "b", "c")
    assert control(mill, window=1) == 1
    change(mill, batches.pause, held)
    mill.submit("single", Lane.BULK)
    other = filled(mill, "x")
    assert control(mill) == 2
    mill.finish()
    control(mill)
    assert (state(mill, held), shown(mill, held)["counts"]["queued"], state(mill, other)) == ("paused", 2, "succeeded")
    change(mill, batches.resume, held)
    assert control(mill) == 2
    mill.finish()
    control(mill)
    assert state(mill, held) == "succeeded"


def test_the_higher_priority_is_admitted_first_and_can_be_changed(mill: Mill) -> None:
    low, high = filled(mill, "l1", "l2"), filled(mill, "h1", "h2", priority=5)
    assert control(mill, window=2) == 2
    assert [shown(mill, each)["counts"]["queued"] for each in (low, high)] == [2, 2]
    admitted = mill.query("SELECT batch_id FROM scan WHERE admitted_at IS NOT NULL")
    assert {r.batch_id for r in admitted} == {high}
    third = filled(mill, "t1")
    change(mill, batches.prioritise, third, 9)
    mill.finish()
    assert control(mill, window=1) == 1
    assert mill.query("SELECT 1 FROM scan WHERE batch_id = :b AND admitted_at IS NOT NULL", b=third)


def test_a_cancel_is_final_for_every_line(mill: Mill) -> None:
    batch = filled(mill, *"abcdefg")
    control(mill, window=2)
    claims = mill.claim("fetch")
    change(mill, batches.cancel, batch)
    assert control(mill) == 0
    assert mill.complete([ok(claim) for claim in claims]).ended == frozenset()
    control(mill)
    found = shown(mill, batch)
    assert (found["state"], found["counts"]["cancelled"]) == ("cancelled", 7)


def test_the_failure_budget_stops_a_hopeless_batch(mill: Mill) -> None:
    single = Mill(mill.database, one_stage(), tenant_name="single")
    batch = filled(single, *"abcdefgh", failure_budget=1)
    control(single, window=4)
    for expected in ("running", "running FAILURE_BUDGET_SPENT"):
        single.complete([ends(claim, RunState.FAILED, "INTERNAL_ERROR") for claim in single.claim("report", 1)])
        control(single, window=0)
        assert state(single, batch) in (expected, "failed FAILURE_BUDGET_SPENT")
    control(single)
    found = shown(single, batch)
    assert (found["state"], found["code"], found["counts"]["failed"]) == ("failed", "FAILURE_BUDGET_SPENT", 2)
    assert (found["counts"]["cancelled"], mill.query("SELECT 1 FROM stage_run WHERE state = 'leased'")) == (6, [])
    assert {line[2:] for line in lines(single, batch, Which(code="INTERNAL_ERROR", stage="report"))} == {
        ("failed", "INTERNAL_ERROR", "report")
    }


def test_partial_and_rejected_lines_decide_how_a_batch_ends(mill: Mill) -> None:
    rejected, partial = filled(mill, "dog"), filled(mill, "blur")
    control(mill)
    for outcome, code in ((RunState.REJECTED, "NOT_A_CAT"), (RunState.ABSTAINED, "REGION_OUTSIDE_IMAGE")):
        mill.complete([ok(claim) for claim in mill.claim("fetch", 1)])
        mill.complete([ends(claim, outcome, code) for claim in mill.claim("look", 1)])
    mill.finish()
    control(mill)
    assert (state(mill, rejected), state(mill, partial)) == ("succeeded", "partial")
    with mill.database.begin() as connection:
        assert batch_views.codes(connection, mill.tenant_id, rejected) == [
            {"code": "NOT_A_CAT", "status": "rejected", "n": 1}
        ]


def test_the_same_key_opens_the_same_batch_and_another_request_is_a_conflict(mill: Mill) -> None:
    first = opened(mill, idempotency_key="k", name="one")
    assert opened(mill, idempotency_key="k", name="one") == first
    with pytest.raises(IdempotencyConflict):
        opened(mill, idempotency_key="k", name="two")
    with pytest.raises(ModelUnavailable), mill.database.begin() as connection:
        batches.create(connection, NewBatch(tenant_id=mill.tenant_id, system="unknown"))


def test_another_tenant_sees_and_changes_nothing(mill: Mill) -> None:
    batch = filled(mill, "a")
    other = Mill(mill.database, tenant_name="other")
    with mill.database.begin() as connection:
        assert batch_views.get(connection, other.tenant_id, batch) is None
        assert batch_views.items(connection, other.tenant_id, batch, Which()) == []
        assert batch_views.page(connection, other.tenant_id) == ([], None)
        assert batches.append(connection, other.tenant_id, batch, items("b")) is None
    assert not change(other, batches.cancel, batch)
    assert not change(mill, batches.pause, uuid4())


def test_batches_are_listed_newest_first_by_pages(mill: Mill) -> None:
    made = [opened(mill, name=str(n)) for n in range(3)]
    with mill.database.begin() as connection:
        page, more = batch_views.page(connection, mill.tenant_id, limit=2)
        rest, end = batch_views.page(connection, mill.tenant_id, after=more, limit=2)
    assert ([found["id"] for found in page + rest], end) == ([str(each) for each in reversed(made)], None)


def retried(mill: Mill, batch: UUID, which: Which = ALL, **options: bool) -> int:
    with mill.database.begin() as connection:
        done = batch_again.retry_page(connection, mill.tenant_id, batch, which, options)
    assert done is not None
    return done


def mixed(mill: Mill) -> UUID:
    """A batch whose first line failed, whose second was rejected and whose third is fine."""
    batch = filled(mill, "bad", "dog", "cat")
    control(mill)
    mill.complete([ok(claim) for claim in mill.claim("fetch")])
    first, second, third = mill.claim("look")
    mill.complete(
        [ends(first, RunState.FAILED, "MODEL_RUN_FAILED"), ends(second, RunState.REJECTED, "NOT_A_CAT"), ok(third)]
    )
    mill.finish()
    control(mill)
    return batch


def test_only_what_failed_is_retried_and_the_result_is_one(mill: Mill) -> None:
    batch = mixed(mill)
    assert state(mill, batch) == "partial"
    before = mill.query("SELECT scan_id FROM batch_item WHERE batch_id = :b ORDER BY n", b=batch)
    assert (retried(mill, batch), retried(mill, batch), state(mill, batch)) == (1, 0, "running")
    assert control(mill) == 1
    mill.finish()
    control(mill)
    assert [line[2:4] for line in lines(mill, batch)] == [
        ("succeeded", None),
        ("rejected", "NOT_A_CAT"),
        ("succeeded", None),
    ]
    assert state(mill, batch) == "succeeded"
    after = mill.query(
        "SELECT i.scan_id, s.retry_of FROM batch_item i JOIN scan s ON s.id = i.scan_id WHERE i.batch_id = :b ORDER BY n",
        b=batch,
    )
    assert [after[0].retry_of, after[1].scan_id, after[2].scan_id] == [each.scan_id for each in before]
    [whole] = mill.query("SELECT count(*) AS n FROM scan")
    counted = mill.query("SELECT sum(n) AS n FROM (SELECT n FROM scan_count UNION ALL SELECT delta FROM count_delta) c")
    assert (whole.n, counted[0].n) == (4, 4)


def test_lines_are_chosen_by_status_code_and_stage_and_may_get_other_options(mill: Mill) -> None:
    batch = mixed(mill)
    assert retried(mill, batch, Which(stage="left")) == 0
    assert retried(mill, batch, Which(code="NOT_A_CAT")) == 0
    assert retried(mill, batch, Which(statuses=("rejected",), code="NOT_A_CAT", stage="look"), extra=False) == 1
    [scan] = mill.query("SELECT options FROM scan WHERE retry_of IS NOT NULL")
    assert scan.options == {"extra": False}


def test_a_batch_is_done_again_by_a_new_pipeline_and_only_what_changed_is_computed(mill: Mill) -> None:
    batch = opened(mill)
    append(mill, batch, [*items(*"abc"), *items("torn", code="CORRUPT_IMAGE"), *items("d")])
    with pytest.raises(BatchClosed), mill.database.begin() as connection:
        batch_again.reprocess(connection, mill.tenant_id, batch, name=None, options={})
    change(mill, batches.finalise, batch)
    control(mill)
    mill.finish()
    control(mill)
    runs = mill.query("SELECT count(*) AS n FROM stage_run")[0].n
    mill.publish(small_pipeline(right={"version": 2}))
    with mill.database.begin() as connection:
        again = batch_again.reprocess(connection, mill.tenant_id, batch, name="again", options={})
    assert again is not None
    assert shown(mill, again)["state"] == "listing"
    control(mill)
    assert mill.finish() == 2 * 4
    control(mill)
    assert shown(mill, again)["counts"] == shown(mill, batch)["counts"]
    assert [line[:2] for line in lines(mill, again)] == [line[:2] for line in lines(mill, batch)]
    assert state(mill, again) == "succeeded"
    computed = mill.query("SELECT count(*) AS n FROM stage_run WHERE reused_from IS NULL")[0].n
    assert computed == runs + 2 * 4


def test_nothing_is_retried_while_a_cancel_is_under_way(mill: Mill) -> None:
    batch = filled(mill, *"abc")
    control(mill, window=1)
    change(mill, batches.cancel, batch)
    with pytest.raises(BatchClosed):
        retried(mill, batch, Which(statuses=("cancelled",)))
    control(mill)
    assert retried(mill, batch, Which(statuses=("cancelled",))) == 3
    assert control(mill) == 3
    mill.finish()
    control(mill)
    assert state(mill, batch) == "succeeded"


def test_a_batch_with_cancelled_lines_did_not_succeed(mill: Mill) -> None:
    batch = mixed(mill)
    change_back = retried(mill, batch)
    assert change_back == 1
    [line] = mill.query("SELECT s.id FROM scan s WHERE s.batch_id = :b AND s.status = 'queued'", b=batch)
    with mill.database.begin() as connection:
        scans.cancel(connection, mill.tenant_id, line.id)
    control(mill)
    assert state(mill, batch) == "partial"


def test_what_had_failed_before_a_retry_does_not_count_against_the_budget(mill: Mill) -> None:
    single = Mill(mill.database, one_stage(), tenant_name="single")
    batch = filled(single, *"abcd", failure_budget=1)
    control(single)
    for code in ("A", "A", "B"):
        single.complete([ends(claim, RunState.FAILED, code) for claim in single.claim("report", 1)])
    for _ in range(3):
        control(single)
    assert state(single, batch) == "failed FAILURE_BUDGET_SPENT"
    assert retried(single, batch, Which(code="B")) == 1
    assert control(single) == 1
    assert state(single, batch) == "running"
    single.finish()
    control(single)
    assert state(single, batch) == "partial"


def test_a_retry_at_the_moment_of_the_end_is_not_lost(mill: Mill) -> None:
    """Control counts only after it holds the batch: a retry that commits meanwhile is seen."""
    batch = mixed(mill)
    mill.execute("UPDATE batch SET finished_at = NULL, state = 'running' WHERE id = :b", b=batch)
    done = threading.Event()

    def finish() -> None:
        with mill.database.begin() as connection:
            batch_ends.finish(connection)
        done.set()

    with mill.database.begin() as connection:
        assert batch_again.retry_page(connection, mill.tenant_id, batch, ALL, {}) == 1
        other = threading.Thread(target=finish)
        other.start()
        done.wait(1.0)
    other.join()
    assert state(mill, batch) == "running"
    control(mill)
    mill.finish()
    control(mill)
    assert state(mill, batch) == "succeeded"


def test_the_same_key_reprocesses_once(mill: Mill) -> None:
    batch = filled(mill, "a")
    made = set()
    for _ in range(2):
        with mill.database.begin() as connection:
            made.add(batch_again.reprocess(connection, mill.tenant_id, batch, name=None, options={}, key="k"))
    assert len(made) == 1
    with pytest.raises(IdempotencyConflict), mill.database.begin() as connection:
        batch_again.reprocess(connection, mill.tenant_id, batch, name="other", options={}, key="k")


def test_rare_lines_are_found_behind_many_others(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_views, "WINDOW", 2)
    batch = opened(mill)
    append(mill, batch, [*items(*"abcde"), *items("bad", code="CORRUPT_IMAGE"), *items("f")])
    assert [line[1] for line in lines(mill, batch, Which(code="CORRUPT_IMAGE"))] == ["bad"]
    assert [line[0] for line in lines(mill, batch, limit=4)] == [1, 2, 3, 4]
    assert [line[0] for line in lines(mill, batch, after=3)] == [4, 5, 6, 7]
