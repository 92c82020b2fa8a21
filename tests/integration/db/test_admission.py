"""What control does: bulk work is let in fairly and through a window, by one control at a time."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import sqlalchemy as sa

from db import admission, batches, scans
from db.batches import NewBatch, NewItem
from db.session import Database
from pipeline.contracts import Lane
from tests.ledger import Mill, ok, one_stage


def admit(database: Database, window: int, page: int = 200) -> int:
    with database.begin() as connection:
        return len(admission.admit(connection, window, page))


def under_way(mill: Mill) -> dict[str, int]:
    found = mill.query(
        """SELECT t.name, count(*) AS n FROM scan s JOIN tenant t ON t.id = s.tenant_id
           WHERE s.admitted_at IS NOT NULL AND s.finished_at IS NULL GROUP BY t.name"""
    )
    return {r.name: r.n for r in found}


def test_bulk_work_waits_without_runs_and_the_window_is_respected(mill: Mill) -> None:
    made = [mill.submit(f"cat{n}", Lane.BULK).scan_id for n in range(9)]
    assert mill.query("SELECT 1 FROM stage_run") == []
    assert [admit(mill.database, 4), admit(mill.database, 4)] == [4, 0]
    assert under_way(mill) == {"acme": 4}
    mill.finish()
    assert admit(mill.database, 4) == 4
    mill.finish()
    assert [admit(mill.database, 4), admit(mill.database, 4)] == [1, 0]
    mill.finish()
    assert {mill.status(scan) for scan in made} == {"succeeded"}


def test_a_smaller_window_admits_nobody_until_it_has_room(mill: Mill) -> None:
    for n in range(6):
        mill.submit(f"cat{n}", Lane.BULK)
    assert admit(mill.database, 5) == 5
    assert admit(mill.database, 2) == 0
    assert admit(mill.database, 6, page=1) == 1


def test_tenants_take_turns_whatever_their_backlog(mill: Mill) -> None:
    for n in range(40):
        mill.submit(f"cat{n}", Lane.BULK)
    small = Mill(mill.database, tenant_name="small")
    for n in range(3):
        small.submit(f"cat{n}", Lane.BULK)
    third = Mill(mill.database, tenant_name="third")
    for n in range(9):
        third.submit(f"cat{n}", Lane.BULK)
    assert admit(mill.database, 12) == 12
    assert under_way(mill) == {"acme": 5, "small": 3, "third": 4}
    late = Mill(mill.database, tenant_name="late")
    for n in range(5):
        late.submit(f"cat{n}", Lane.BULK)
    assert admit(mill.database, 15) == 3
    assert under_way(mill)["late"] == 3, "who has least under way goes first"


def test_more_batches_than_are_looked_at_all_get_their_turn(mill: Mill) -> None:
    with mill.database.begin() as connection:
        for n in range(90):
            batch, _ = batches.create(connection, NewBatch(tenant_id=mill.tenant_id, system="small", priority=n % 2))
            item = NewItem(custom_id="a", ref=f"key/{n}", sha256=f"{n}")
            batches.append(connection, mill.tenant_id, batch, [item] if n % 3 else [])
    assert [admit(mill.database, 100) for _ in range(3)] == [50, 10, 0], "empty ones and those let in take no place"


def test_bulk_never_delays_interactive_at_the_door(mill: Mill) -> None:
    for n in range(5):
        mill.submit(f"cat{n}", Lane.BULK)
    assert admit(mill.database, 2) == 2
    assert mill.submit("quick").ready
    assert admit(mill.database, 3) == 1, "interactive scans take no place in the window"


def sent(mill: Mill, count: int) -> list[UUID]:
    """Interactive scans as the API accepts them; control has not looked yet."""
    with mill.database.begin() as connection:
        made = [scans.submit(connection, mill.new(f"cat{n}")) for n in range(count)]
    assert [bool(each.ready) for each in made] == [n < scans.AT_ONCE for n in range(count)]
    return [each.scan_id for each in made]


def let_in(database: Database, window: int, page: int = 200) -> int:
    with database.begin() as connection:
        return len(admission.admit_interactive(connection, window, page))


def test_a_flood_of_interactive_scans_waits_and_nobody_waits_for_it(mill: Mill) -> None:
    flood = sent(mill, 40)
    other = Mill(mill.database, tenant_name="other")
    sent(other, 1)
    assert [let_in(mill.database, 12), let_in(mill.database, 12)] == [4, 0]
    assert under_way(mill) == {"acme": 12, "other": 1}
    mill.finish()
    with mill.database.begin() as connection:
        late = scans.submit(connection, mill.new("late"))
    assert late.ready == [], "it does not overtake those that wait"
    for _ in range(3):
        let_in(mill.database, 12)
        mill.finish()
    assert {mill.status(scan) for scan in [*flood, late.scan_id]} == {"succeeded"}


def test_waiting_interactive_scans_are_let_in_oldest_first_and_each_tenant_has_its_own_window(mill: Mill) -> None:
    mine, others = sent(mill, 12), Mill(mill.database, tenant_name="other")
    theirs = sent(others, 12)
    assert let_in(mill.database, 10) == 4
    waiting = {UUID(str(r.id)) for r in mill.query("SELECT id FROM scan WHERE admitted_at IS NULL")}
    assert waiting == {*mine[10:], *theirs[10:]}
    assert let_in(mill.database, 12, page=3) == 3, "a page is the most of one transaction"


def test_waiting_interactive_scans_take_no_bulk_place_and_may_be_cancelled(mill: Mill) -> None:
    waiting = sent(mill, 10)[-1]
    mill.submit("bulk", Lane.BULK)
    assert admit(mill.database, 5) == 1, "bulk admission leaves them alone"
    with mill.database.begin() as connection:
        assert scans.cancel(connection, mill.tenant_id, waiting) == "cancelled"
    assert let_in(mill.database, 10) == 1


def test_two_controls_at_once_admit_each_scan_once(mill: Mill) -> None:
    for n in range(4):
        mill.submit(f"cat{n}", Lane.BULK)
    with mill.database.begin() as first:
        assert len(admission.admit(first, 2)) == 2
        with mill.database.begin() as second:
            assert admission.admit(second, 4) == [], "the other control is at it"
    assert admit(mill.database, 4) == 2
    assert sorted(Counter(r.scan_id for r in mill.query("SELECT scan_id FROM stage_run")).values()) == [6] * 4


def test_a_scan_cancelled_while_it_is_being_admitted_stays_cancelled(database: Database) -> None:
    mill = Mill(database, one_stage())
    scan = mill.submit("cat", Lane.BULK).scan_id
    with database.begin() as connection:
        scans.cancel(connection, mill.tenant_id, scan)
        with database.begin() as control:
            control.execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
            chosen = control.execute(sa.text(admission._CHOOSE), {"window": 5, "page": 5}).scalars().all()
            assert [UUID(str(each)) for each in chosen] == [scan], "it was chosen before the cancel was committed"
    with database.begin() as control:
        assert scans.expand(control, [scan]) == []
    assert mill.states(scan) == {}


def test_counts_fold_once_though_two_controls_fold(mill: Mill) -> None:
    for n in range(6):
        mill.submit(f"cat{n}")
    with mill.database.begin() as first:
        assert admission.fold_counts(first, limit=4) == 4
        with mill.database.begin() as second:
            second.execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
            rest = second.execute(
                sa.text("SELECT count(*) FROM (SELECT 1 FROM count_delta FOR UPDATE SKIP LOCKED) free")
            ).scalar_one()
            assert rest == 2, "the other control would take these and no others"
    with mill.database.begin() as connection:
        assert admission.fold_counts(connection) == 2
    (total,) = mill.query("SELECT sum(n) AS n FROM scan_count WHERE status = 'queued' AND batch_id IS NULL")
    assert total.n == 6
    assert len(mill.query("SELECT 1 FROM scan_count")) == 1


def test_workers_not_seen_for_two_days_are_forgotten(mill: Mill) -> None:
    Mill(mill.database, tenant_name="other")
    mill.execute("UPDATE worker SET seen_at = clock_timestamp() - interval '49 hours' WHERE owner = :o", o=mill.owner)
    with mill.database.begin() as connection:
        admission.forget_workers(connection)
    assert len(mill.query("SELECT 1 FROM worker")) == 1


def test_work_goes_on_for_bulk_scans_once_admitted(mill: Mill) -> None:
    scan = mill.submit("cat", Lane.BULK).scan_id
    assert admit(mill.database, 1) == 1
    done = mill.complete([ok(c) for c in mill.claim("fetch")])
    assert [r.celery_queue for r in done.ready] == ["gpu.bulk"]
    mill.finish()
    assert mill.status(scan) == "succeeded"
