"""One worker child at work: it carries scans on, lets urgent work go first, takes small bites, stops when told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from db import admission, ledger
from db.ledger import Claim
from db.settle import Ready
from pipeline.contracts import Lane, Queue
from tasks import control
from tasks.queue import Doorbell
from tasks.registry import Registry, Runnable
from tasks.work import EXPECTED_BATCH_S, Hands, Turn, merged
from tests.invariants import violations
from tests.unit.tasks.tiny import TINY, Shelf, Workshop

NOWHERE = "redis://127.0.0.1:1/0"


class Bell(Doorbell):
    """A doorbell without a Redis that remembers what it was asked to ring."""

    def __init__(self) -> None:
        super().__init__(NOWHERE)
        self.rung: list[Ready] = []

    def ring(self, ready: Any) -> None:
        listed = list(ready)
        self.rung += listed
        super().ring(listed)


class Bench:
    """Hands over a workshop, and a record of their micro-batches."""

    def __init__(self, shop: Workshop, queues: Sequence[str] = (Queue.CPU, Queue.GPU), batch_size: int = 4) -> None:
        self.shop = shop
        self.bell = Bell()
        self.batches: list[tuple[str, list[int], bool]] = []
        self.seconds: dict[str, float] = {}
        self.hands = Hands(
            database=shop.database,
            runner=shop.runner,
            registry=shop.registry,
            bell=self.bell,
            owner=shop.owner,
            queues=queues,
            batch_size=batch_size,
            lease_s=30,
            watch=self._watch,
        )

    @contextmanager
    def _watch(self, runnable: Runnable, claims: Sequence[Claim], carried: bool) -> Iterator[None]:
        name = runnable.spec.name
        self.batches.append((name, [claim.lane for claim in claims], carried))
        assert self.hands.current == tuple(claim.run_id for claim in claims)
        yield
        time.sleep(self.seconds.get(name, 0) * len(claims))

    def warm(self) -> None:
        """Run one scan, so that every stage's time is known; then forget the record."""
        self.shop.submit(b"\x01 to warm up")
        while self.hands.work():
            pass
        self.batches.clear()
        self.bell.rung.clear()

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.batches]


@pytest.fixture
def bench(shop: Workshop) -> Iterator[Bench]:
    made = Bench(shop)
    yield made
    made.bell.close(0)


def fetches(shop: Workshop, *scans: Any) -> list[int]:
    return [shop.mill.run(scan, "tiny_fetch").id for scan in scans]


def admit(shop: Workshop) -> None:
    with shop.database.begin() as connection:
        admission.admit(connection, 100)


def test_a_call_carries_its_scans_to_the_end_without_a_ring(bench: Bench) -> None:
    scan = bench.shop.submit(b"\x40")
    assert bench.hands.work(fetches(bench.shop, scan)) == 3
    assert [(name, carried) for name, _, carried in bench.batches] == [
        ("tiny_fetch", False),
        ("tiny_shade", True),
        ("build_report", True),
    ]
    assert bench.bell.rung == []
    assert bench.shop.mill.status(scan) == "succeeded"
    assert bench.hands.current == ()


def test_work_that_nobody_rang_for_is_found(bench: Bench) -> None:
    scan = bench.shop.submit(b"\x40")
    assert bench.hands.work() == 3
    assert bench.shop.mill.status(scan) == "succeeded"
    assert all(carried for _, _, carried in bench.batches)
    assert bench.hands.work() == 0


def test_a_stale_call_a_doubled_one_and_an_unknown_id_do_nothing(bench: Bench) -> None:
    ids = fetches(bench.shop, bench.shop.submit(b"\x40"))
    bench.hands.work(ids)
    assert bench.hands.work(ids) == 0
    assert bench.hands.work([*ids, 987_654]) == 0
    assert bench.hands.work([]) == 0


def test_for_the_queues_of_others_it_rings(shop: Workshop) -> None:
    bench = Bench(shop, queues=(Queue.CPU,))
    scan = shop.submit(b"\x40")
    assert bench.hands.work() == 1
    (ready,) = bench.bell.rung
    assert (ready.stage, ready.celery_queue) == ("tiny_shade", "gpu.interactive")
    assert shop.mill.states(scan)["tiny_shade"] == "ready"
    assert bench.hands.work() == 0, "it does not take what is not in its queues"
    other = Bench(shop, queues=(Queue.GPU,))
    assert other.hands.work([ready.run_id]) == 1
    assert [r.celery_queue for r in other.bell.rung] == ["cpu.interactive"]


def test_urgent_work_goes_before_every_bulk_micro_batch(bench: Bench) -> None:
    bench.warm()
    for n in range(8):
        bench.shop.submit(bytes([n + 2]), lane=Lane.BULK)
    admit(bench.shop)
    urgent: list[Any] = []
    watch = bench.hands._watch

    @contextmanager
    def interrupt(*told: Any) -> Iterator[None]:
        with watch(*told):
            if not urgent:
                urgent.append(bench.shop.submit(b"urgent"))
            yield

    bench.hands._watch = interrupt
    while bench.hands.work():
        pass
    lanes = [set(lanes) for _, lanes, _ in bench.batches]
    assert lanes[0] == {Lane.BULK}
    assert all(Lane.INTERACTIVE in each for each in lanes[1:4]), "its three stages came next"
    assert all(each == {Lane.BULK} for each in lanes[4:])
    assert violations(bench.shop.database) == []


def test_a_micro_batch_is_one_run_at_first_then_one_second_of_expected_work(bench: Bench) -> None:
    bench.seconds["tiny_fetch"] = 0.08
    for n in range(9):
        bench.shop.submit(bytes([n]))
    fetch = bench.shop.mill.stage_ids["tiny_fetch"]
    expected = []
    for _ in range(3):
        expected.append(bench.hands._seconds.get(fetch))
        bench.hands.work()
    sizes = [len(lanes) for name, lanes, _ in bench.batches if name == "tiny_fetch"]
    assert (sizes[0], expected[0]) == (1, None), "nobody knows yet how long it takes"
    for size, seconds in zip(sizes[1:3], expected[1:], strict=True):
        assert seconds is not None and seconds >= 0.08, "and what a busy machine adds"
        assert size == max(1, int(EXPECTED_BATCH_S[Lane.INTERACTIVE] / seconds))


def test_bulk_scans_do_a_slow_stage_together_so_that_the_next_ones_work_on_all_of_them(bench: Bench) -> None:
    bench.warm()
    bench.seconds["tiny_fetch"] = 0.4
    scans = [bench.shop.submit(bytes([n + 2]), lane=Lane.BULK) for n in range(9)]
    admit(bench.shop)
    assert bench.hands.work() == 12, "as many as BATCH_SIZE, to their end, though nobody named them"
    bench.hands.work(fetches(bench.shop, *scans))
    while bench.hands.work():
        pass
    sizes = {name: [len(lanes) for each, lanes, _ in bench.batches if each == name] for name in set(bench.names)}
    assert max(sizes["tiny_fetch"][2:]) <= 2
    assert sizes["tiny_shade"][0] == sizes["build_report"][0] == 4
    assert violations(bench.shop.database) == []


def test_an_urgent_scan_goes_on_to_its_end_before_the_next_begins(bench: Bench) -> None:
    bench.seconds["tiny_fetch"] = 2.0  # so much is expected of the next ones, and after each three tenths less
    bench.warm()
    bench.seconds.clear()
    bench.hands.work(fetches(bench.shop, *(bench.shop.submit(bytes([n + 2])) for n in range(3))))
    assert bench.names == ["tiny_fetch", "tiny_shade", "build_report"] * 3


def test_urgent_scans_that_wait_for_the_same_stage_go_together_four_at_most(bench: Bench) -> None:
    bench.warm()
    first, *others = fetches(bench.shop, *(bench.shop.submit(bytes([n + 2])) for n in range(6)))
    bulk = bench.shop.submit(b"bulk", lane=Lane.BULK)
    admit(bench.shop)
    last = others[-1]
    assert bench.hands.work([last]) == 12, "whoever was called for comes first, with the three that waited longest"
    assert [len(lanes) for _, lanes, _ in bench.batches] == [4, 4, 4]
    assert [bench.hands.work([each]) for each in (first, *others[:2])] == [0, 0, 0], "they are done"
    assert bench.hands.work([others[2]]) == 6
    assert bench.shop.mill.status(bulk) == "queued", "nothing that can wait comes with them"


def test_nobody_goes_with_an_urgent_suspect(bench: Bench) -> None:
    bench.warm()
    suspect = bench.shop.submit(b"suspect")
    bench.shop.claim("tiny_fetch")
    with bench.shop.database.begin() as connection:
        ledger.release(connection, bench.shop.owner, crashed=True)
    bench.shop.submit(b"another")
    assert bench.hands.work(fetches(bench.shop, suspect)) == 3
    assert [len(lanes) for _, lanes, _ in bench.batches] == [1, 1, 1]


def test_turns_of_one_stage_become_one_where_the_first_stood() -> None:
    turns = [
        Turn(1, Lane.BULK, None, 3),
        Turn(2, Lane.BULK, (5,)),
        Turn(3, Lane.BULK, (6,)),
        Turn(2, Lane.BULK, (4, 7)),
    ]
    urgent = Turn(2, Lane.INTERACTIVE, (8,))
    assert list(merged([*turns, urgent])) == [turns[0], Turn(2, Lane.BULK, (5, 4, 7)), turns[2], urgent]
    assert list(merged([turns[0], turns[0]])) == [turns[0], turns[0]]


def test_a_fast_stage_is_bounded_by_the_batch_size(bench: Bench) -> None:
    bench.warm()
    ids = fetches(bench.shop, *(bench.shop.submit(bytes([n + 2])) for n in range(10)))
    assert bench.hands.work(ids) == 30
    assert max(len(lanes) for _, lanes, _ in bench.batches) == 4
    assert sum(len(lanes) for name, lanes, _ in bench.batches if name == "tiny_fetch") == 10


def test_a_suspect_is_worked_on_alone(bench: Bench) -> None:
    bench.warm()
    scans = [bench.shop.submit(bytes([n + 2])) for n in range(4)]
    bench.shop.claim("tiny_fetch")
    with bench.shop.database.begin() as connection:
        ledger.release(connection, bench.shop.owner, crashed=True)
    bench.hands.work(fetches(bench.shop, *scans))
    while bench.hands.work():
        pass
    assert [len(lanes) for name, lanes, _ in bench.batches if name == "tiny_fetch"] == [1, 1, 1, 1]
    assert {bench.shop.mill.status(scan) for scan in scans} == {"succeeded"}


def test_told_to_stop_it_finishes_the_micro_batch_and_takes_no_other(bench: Bench) -> None:
    watch = bench.hands._watch

    @contextmanager
    def stop(*told: Any) -> Iterator[None]:
        with watch(*told):
            bench.hands.stopping.set()
            yield

    bench.hands._watch = stop
    scan = bench.shop.submit(b"\x40")
    assert bench.hands.work() == 1
    assert bench.shop.mill.states(scan) == {"tiny_fetch": "ok", "tiny_shade": "ready", "build_report": "blocked"}
    assert bench.hands.work() == 0 == bench.hands.work([bench.shop.mill.run(scan, "tiny_shade").id])


def test_only_one_thread_works_and_the_poll_turns_away(bench: Bench) -> None:
    busy, done, watch = threading.Event(), threading.Event(), bench.hands._watch

    @contextmanager
    def hold(*told: Any) -> Iterator[None]:
        with watch(*told):
            yield
        busy.set()
        done.wait(60)

    bench.hands._watch = hold
    scan = bench.shop.submit(b"\x40")
    called = threading.Thread(target=bench.hands.work, args=(fetches(bench.shop, scan),))
    called.start()
    assert busy.wait(60)
    assert bench.hands.work() == 0
    bench.hands.join(0.05)
    assert called.is_alive() and not done.is_set(), "neither waited"
    done.set()
    bench.hands.join(10)
    called.join(60)
    assert bench.shop.mill.status(scan) == "succeeded"


def test_when_a_micro_batch_dies_of_a_bug_of_ours_the_child_can_go_on(bench: Bench) -> None:
    class Broken(RuntimeError):
        pass

    def broken(*_: Any) -> Any:
        raise Broken

    watch, bench.hands._watch = bench.hands._watch, broken
    scan = bench.shop.submit(b"\x40")
    with pytest.raises(Broken):
        bench.hands.work()
    assert bench.hands.current == (), "the heartbeat lets the lease run out"
    bench.hands._watch = watch
    bench.shop.mill.overdue()
    with bench.shop.database.begin() as connection:
        ledger.expire(connection)
    assert bench.hands.work() == 3
    assert bench.shop.mill.status(scan) == "succeeded"


def test_a_stage_published_later_is_learnt_when_it_is_called_for(shop: Workshop) -> None:
    shop.registry = Registry([], Shelf())
    ignorant = Bench(shop)
    scan = shop.submit(b"\x40")
    assert ignorant.hands.work(fetches(shop, scan)) == 0
    assert ignorant.hands.work() == 0
    assert shop.mill.states(scan)["tiny_fetch"] == "ready"
    shop.registry = Registry([TINY], Shelf())
    assert Bench(shop).hands.work(fetches(shop, scan)) == 3


def test_a_turn_of_control_reopens_admits_frees_and_folds_and_rings_afterwards(shop: Workshop) -> None:
    committed: list[bool] = []

    class After(Bell):
        def ring(self, ready: Any) -> None:
            listed = list(ready)
            for each in listed:
                (row,) = shop.mill.query("SELECT state FROM stage_run WHERE id = :id", id=each.run_id)
                committed.append(row.state == "ready")
            super().ring(listed)

    bell = After()
    lost = shop.submit(b"\x40")
    shop.claim("tiny_fetch")
    shop.mill.overdue()
    shop.submit(b"\x41", lane=Lane.BULK)
    assert not control.turn(shop.database, bell, 10), "it waits for more to come before it admits again"
    assert [r.celery_queue for r in bell.rung] == ["cpu.interactive", "cpu.bulk"]
    assert committed == [True, True], "a ring before its commit calls for nothing"
    assert shop.mill.states(lost)["tiny_fetch"] == "ready"
    assert shop.mill.query("SELECT 1 FROM count_delta") == []
