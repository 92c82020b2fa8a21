"""Claims, tokens, leases, charges: who may write to a run, and who pays when a worker dies."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from pydantic import SecretStr

from db import inputs, ledger, migrate, pipelines
from db.admission import admit
from db.ledger import CHARGES, MAX_ATTEMPTS, Claim
from db.session import Database
from db.settings import DatabaseSettings
from db.settle import Ready
from pipeline.contracts import Lane, Queue, RunState
from tests.ledger import Mill, ends, ok, one_stage


def first(*given: Any, **more: Any) -> tuple[int, bool] | None:
    """Stage of what is first in the queues, and whether it comes alone."""
    found = ledger.next_stage(*given, **more)
    return (found.stage_id, found.alone) if found else None


def crash(mill: Mill, owner: uuid.UUID, code: str = "POISON_INPUT") -> Sequence[Ready]:
    with mill.database.begin() as connection:
        return ledger.release(connection, owner, crashed=True, code=code)


def hand_back(mill: Mill, owner: uuid.UUID) -> Sequence[Ready]:
    with mill.database.begin() as connection:
        return ledger.release(connection, owner, crashed=False)


def expire(mill: Mill) -> Sequence[Ready]:
    with mill.database.begin() as connection:
        return ledger.expire(connection)


def charged(mill: Mill, claims: Sequence[Claim]) -> list[int]:
    found = mill.query("SELECT id, charged FROM stage_run ORDER BY id")
    return [r.charged for r in found if r.id in {c.run_id for c in claims}]


def test_a_claim_counts_its_attempt_first_and_carries_what_the_work_needs(mill: Mill) -> None:
    scan = mill.submit("cat", options={"extra": False}).scan_id
    (held,) = mill.claim("fetch")
    run = mill.run(scan, "fetch")
    assert (run.state, run.attempts, run.token, run.owner) == ("leased", 1, held.token, mill.owner)
    assert (held.scan_id, held.tenant_id, held.options) == (scan, mill.tenant_id, {"extra": False})
    assert (held.input_kind, held.input_ref, held.work) == ("upload", "key/cat", run.work)
    assert mill.claim("fetch") == [], "a doubled wake-up call gets nothing"


def test_a_claim_by_ids_takes_only_those_still_ready_and_of_its_stage(mill: Mill) -> None:
    scans = [mill.submit(f"cat{n}").scan_id for n in range(3)]
    ids = [mill.run(scan, "fetch").id for scan in scans]
    assert [c.run_id for c in mill.claim("fetch", run_ids=ids[1:])] == ids[1:]
    assert mill.claim("fetch", run_ids=ids[1:]) == []
    assert mill.claim("look", run_ids=ids[:1]) == []
    assert mill.claim("fetch", run_ids=[]) == []
    assert [c.run_id for c in mill.claim("fetch", run_ids=[ids[0], 987_654])] == ids[:1]


def test_interactive_goes_before_bulk_and_early_before_late(mill: Mill) -> None:
    bulk, *others = [
        mill.submit(f"cat{n}", lane).scan_id for n, lane in enumerate((Lane.BULK, Lane.INTERACTIVE, Lane.INTERACTIVE))
    ]
    with mill.database.begin() as connection:
        admit(connection, 10)
    order = [mill.claim("fetch", 1)[0].scan_id for _ in range(3)]
    assert order == [*others, bulk]


def test_the_first_stage_in_the_queues_is_found_among_those_one_can_run(mill: Mill) -> None:
    mill.submit("cat")
    mill.complete([ok(c) for c in mill.claim("fetch")])
    mill.submit("dog")
    both, stages = [Queue.CPU, Queue.GPU], list(mill.stage_ids.values())
    with mill.database.begin() as connection:
        assert first(connection, both, stages) == (mill.stage_ids["look"], False)
        assert first(connection, [Queue.CPU], stages) == (mill.stage_ids["fetch"], False)
        assert first(connection, both, [mill.stage_ids["fetch"]]) == (mill.stage_ids["fetch"], False)
        assert first(connection, both, [mill.stage_ids["left"]]) is None
        assert first(connection, [], stages) is None
        assert first(connection, both, stages, lane=Lane.INTERACTIVE) == (mill.stage_ids["look"], False)


def test_an_old_token_changes_nothing(mill: Mill) -> None:
    scan = mill.submit("cat").scan_id
    (old,) = mill.claim("fetch")
    mill.overdue()
    assert [r.run_id for r in expire(mill)] == [old.run_id]
    (new,) = mill.claim("fetch", owner=uuid.uuid4())
    assert new.token > old.token and new.attempts == 2
    before = mill.run(scan, "fetch")
    assert mill.complete([ends(old, RunState.FAILED, "INTERNAL_ERROR")]).ended == frozenset()
    assert mill.complete([ok(old, stale=True)]).ended == frozenset()
    assert mill.run(scan, "fetch") == before
    assert mill.query("SELECT 1 FROM result") == []
    assert mill.complete([ok(new)]).ended == {new.run_id}
    assert mill.complete([ok(new, twice=True)]).ended == frozenset()
    assert len(mill.query("SELECT 1 FROM event WHERE scan_id = :s AND kind = 'stage'", s=scan)) == 1


def test_one_lost_claim_in_a_micro_batch_does_not_hold_up_the_others(mill: Mill) -> None:
    for n in range(3):
        mill.submit(f"cat{n}")
    claims = mill.claim("fetch")
    mill.overdue([claims[1].run_id])
    expire(mill)
    done = mill.complete([ok(c) for c in claims])
    assert done.ended == {claims[0].run_id, claims[2].run_id}
    assert mill.run(claims[1].scan_id, "fetch").state == "ready"


def test_a_heartbeat_keeps_what_is_worked_on_and_nothing_else(mill: Mill) -> None:
    mill.submit("cat")
    mill.submit("dog")
    kept, lost = mill.claim("fetch")
    mill.overdue()
    with mill.database.begin() as connection:
        ledger.heartbeat(connection, uuid.uuid4(), [kept.run_id, lost.run_id])
        ledger.heartbeat(connection, mill.owner, [kept.run_id])
    assert [r.run_id for r in expire(mill)] == [lost.run_id]


def test_a_heartbeat_never_waits_for_a_run_that_is_being_ended(mill: Mill) -> None:
    mill.submit("cat")
    (held,) = mill.claim("fetch")
    with mill.database.begin() as busy:
        busy.exec_driver_sql(f"SELECT 1 FROM stage_run WHERE id = {held.run_id} FOR UPDATE")
        with mill.database.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '200ms'")
            ledger.heartbeat(connection, mill.owner, [held.run_id])


def test_a_lease_that_ran_out_charges_nobody_however_often(mill: Mill) -> None:
    scan = mill.submit("cat").scan_id
    for attempt in range(1, 3 * CHARGES):
        (held,) = mill.claim("fetch")
        assert held.attempts == attempt
        mill.overdue()
        assert len(expire(mill)) == 1
    run = mill.run(scan, "fetch")
    assert (run.state, run.charged, run.owner, run.lease_until) == ("ready", 0, None, None)
    assert expire(mill) == []


def test_work_handed_back_charges_nobody(mill: Mill) -> None:
    mill.submit("cat")
    (held,) = mill.claim("fetch")
    assert [r.run_id for r in hand_back(mill, mill.owner)] == [held.run_id]
    assert charged(mill, [held]) == [0]
    assert hand_back(mill, mill.owner) == []


def test_a_crash_in_company_costs_one_charge_and_then_everyone_works_alone(mill: Mill) -> None:
    for n in range(4):
        mill.submit(f"cat{n}")
    claims = mill.claim("fetch")
    assert len(crash(mill, mill.owner)) == 4
    assert charged(mill, claims) == [1, 1, 1, 1]
    fresh = mill.submit("fresh").scan_id
    with mill.database.begin() as connection:
        assert first(connection, [Queue.CPU], list(mill.stage_ids.values())) == (
            mill.stage_ids["fetch"],
            True,
        )
    assert [c.scan_id for c in mill.claim("fetch", 16)] == [fresh], "nobody uncharged is claimed with a suspect"
    alone = [mill.claim("fetch", 16) for _ in range(5)]
    assert [len(each) for each in alone] == [1, 1, 1, 1, 0]
    assert mill.complete([ok(c) for each in alone for c in each]).ended == {c.run_id for c in claims}


def test_poison_costs_one_attempt_in_company_and_three_alone_and_its_neighbours_finish(mill: Mill) -> None:
    pictures = ["cat", "poison", "dog"]
    scans = {picture: mill.submit(picture).scan_id for picture in pictures}
    deaths = 0
    while claims := mill.claim("fetch", 16):
        if any(c.scan_id == scans["poison"] for c in claims):
            deaths += 1
            crash(mill, mill.owner)
        else:
            mill.complete([ok(c) for c in claims])
    assert deaths == 1 + 3
    mill.finish()
    assert mill.states(scans["poison"])["fetch"] == "failed POISON_INPUT"
    assert mill.status(scans["poison"]) == "partial POISON_INPUT"
    assert {mill.status(scans[p]) for p in ("cat", "dog")} == {"succeeded"}
    assert [mill.run(scans[p], "fetch").attempts for p in pictures] == [2, 4, 2]


def test_poison_that_was_always_alone_gets_three_attempts_and_the_last_code(mill: Mill) -> None:
    scan = mill.submit("poison").scan_id
    for _ in range(3):
        assert mill.claim("fetch")
        crash(mill, mill.owner, code="STAGE_TIMEOUT")
    assert mill.claim("fetch") == []
    assert mill.states(scan)["fetch"] == "failed STAGE_TIMEOUT"


def test_no_cause_of_any_kind_is_tried_for_ever(mill: Mill) -> None:
    scan = mill.submit("cat").scan_id
    mill.execute("UPDATE stage_run SET attempts = :n WHERE state = 'ready'", n=MAX_ATTEMPTS - 1)
    mill.claim("fetch")
    mill.overdue()
    assert expire(mill) != [], "the stages after it may go on"
    assert mill.states(scan)["fetch"] == "failed ATTEMPTS_EXHAUSTED"
    mill.finish()
    assert mill.status(scan) == "partial ATTEMPTS_EXHAUSTED"


def test_a_run_to_be_tried_again_waits_its_time(mill: Mill) -> None:
    scan = mill.submit("cat").scan_id
    (held,) = mill.claim("fetch")
    again = ends(held, RunState.READY, "STORAGE_UNAVAILABLE", retry_in_s=60.0)
    assert mill.complete([again]).ended == frozenset()
    assert mill.states(scan)["fetch"] == "ready STORAGE_UNAVAILABLE"
    assert mill.claim("fetch") == [] == mill.claim("fetch", run_ids=[held.run_id])
    with mill.database.begin() as connection:
        assert first(connection, [Queue.CPU], list(mill.stage_ids.values())) is None
    mill.execute("UPDATE stage_run SET not_before = clock_timestamp()")
    (held,) = mill.claim("fetch")
    assert held.attempts == 2
    mill.finish()
    mill.complete([ok(held)])
    mill.finish()
    assert mill.status(scan) == "succeeded"


def test_what_a_stage_reads_is_how_each_need_ended(mill: Mill) -> None:
    scan = mill.submit("cat", options={"extra": False}).scan_id
    mill.complete([ok(c, size=3) for c in mill.claim("fetch")])
    mill.complete([ends(c, RunState.REJECTED, "NOT_A_CAT", data={"sure": 0.9}) for c in mill.claim("look")])
    (report,) = mill.claim("report")
    with mill.database.begin() as connection:
        spec = next(each for each in pipelines.every_stage(connection, after=0) if each.id == report.stage_id)
        reader = inputs.NeedReader(most=1)
        (needs,) = reader.needs(connection, spec, [report])
        assert reader.needs(connection, spec, [report]) == [needs], "from memory, and what is not kept anew"
        assert inputs.stages_of(connection, [report.run_id]) == []
    assert {name: (need.outcome, need.code, dict(need.data)) for name, need in needs.items()} == {
        "fetch": ("ok", None, {"size": 3}),
        "look": ("rejected", "NOT_A_CAT", {"sure": 0.9}),
        "left": ("skipped", "UPSTREAM_NOT_OK", {}),
        "right": ("skipped", "UPSTREAM_NOT_OK", {}),
        "extra": ("skipped", "SWITCHED_OFF", {}),
    }
    assert mill.run(scan, "report").started_at is not None


def test_the_stages_of_one_database_are_not_taken_for_anothers(database: Database, empty_database_url: str) -> None:
    other = Database(DatabaseSettings(database_url=SecretStr(empty_database_url)))
    migrate.upgrade(other)
    try:
        assert Mill(database).stage_ids.keys() != Mill(other, one_stage()).stage_ids.keys()
    finally:
        other.dispose()


def test_a_wake_up_call_is_sorted_by_lane_then_stage_and_what_is_not_ready_is_left_out(mill: Mill) -> None:
    slow = mill.submit("slow", Lane.BULK).scan_id
    with mill.database.begin() as connection:
        admit(connection, 10)
    ahead, behind, gone = (mill.submit(name).scan_id for name in ("ahead", "behind", "gone"))
    ids = {scan: mill.run(scan, "fetch").id for scan in (slow, ahead, behind, gone)}
    mill.complete([ok(c) for c in mill.claim("fetch", run_ids=[ids[ahead]])])
    mill.claim("fetch", run_ids=[ids[gone]])
    look = mill.run(ahead, "look").id
    with mill.database.begin() as connection:
        groups = inputs.stages_of(connection, [look, *ids.values()])
        urgent = first(connection, [Queue.CPU], list(mill.stage_ids.values()), lane=Lane.INTERACTIVE)
    fetch = mill.stage_ids["fetch"]
    assert [(g.stage_id, g.lane, g.run_ids) for g in groups] == [
        (fetch, Lane.INTERACTIVE, (ids[behind],)),
        (mill.stage_ids["look"], Lane.INTERACTIVE, (look,)),
        (fetch, Lane.BULK, (ids[slow],)),
    ]
    assert urgent == (fetch, False)
    mill.claim("fetch", run_ids=[ids[behind]])
    with mill.database.begin() as connection:
        assert first(connection, [Queue.CPU], [fetch], lane=Lane.INTERACTIVE) is None
        assert first(connection, [Queue.CPU], [fetch]) == (fetch, False)
