"""Many hands on the same rows: whoever loses a race changes nothing, and everything ends once."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from db import admission, ledger, results, scans
from db.locked import lock_scans
from db.session import Database
from db.settings import DatabaseSettings
from db.settle import Ready
from pipeline.contracts import Lane, RunState
from pipeline.errors import IdempotencyConflict, StorageUnavailable
from tests.invariants import violations
from tests.ledger import Mill, ends, ok, one_stage, small_pipeline

HANDS = 6
LONGEST_S = 45.0


@pytest.fixture
def wide(database_url: str) -> Iterator[Database]:
    """A database with a connection for every hand."""
    database = Database(DatabaseSettings(database_url=SecretStr(database_url), db_pool_size=16))
    yield database
    database.dispose()


@contextmanager
def threads(count: int) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(count) as pool:
        yield pool


def together(count: int, act: Callable[[int], object]) -> list[Any]:
    """What ``act`` returned in each of ``count`` threads that began at once; an exception is returned, not raised."""
    barrier = threading.Barrier(count)

    def one(n: int) -> object:
        barrier.wait(10)
        try:
            return act(n)
        except Exception as error:  # noqa: BLE001  what a hand raised is looked at by the test
            return error

    with threads(count) as pool:
        return list(pool.map(one, range(count)))


def test_no_row_is_handed_out_twice_and_nobody_waits(wide: Database) -> None:
    mill = Mill(wide, one_stage())
    for n in range(120):
        mill.submit(f"cat{n}")

    def take(_: int) -> list[int]:
        taken: list[int] = []
        while claims := mill.claim("report", 3, owner=uuid.uuid4()):
            taken += [c.run_id for c in claims]
        return taken

    taken = together(HANDS, take)
    assert all(isinstance(each, list) for each in taken), taken
    every = [run_id for each in taken for run_id in each]
    assert len(every) == len(set(every)) == 120
    assert max(r.attempts for r in mill.query("SELECT attempts FROM stage_run")) == 1


def test_a_claim_passes_by_rows_that_another_holds(wide: Database) -> None:
    mill = Mill(wide, one_stage())
    for n in range(4):
        mill.submit(f"cat{n}")
    with wide.begin() as slow:
        mine = ledger.claim(slow, mill.owner, mill.stage_ids["report"], 2)
        began = time.monotonic()
        others = mill.claim("report", 4, owner=uuid.uuid4())
        assert time.monotonic() - began < 10, "it waited for a lock"
    assert len(mine) == len(others) == 2
    assert not {c.run_id for c in mine} & {c.run_id for c in others}


def test_cancel_and_completion_race_and_exactly_one_wins(wide: Database) -> None:
    mill = Mill(wide, one_stage())
    won = {"cancelled": 0, "succeeded": 0}
    began = time.monotonic()
    rounds = 0
    while rounds < 300 and time.monotonic() - began < LONGEST_S / 2:
        rounds += 1
        scan = mill.submit(f"cat{rounds}").scan_id
        (held,) = mill.claim("report")

        def act(n: int, scan: UUID = scan, held: ledger.Claim = held) -> object:
            with wide.begin() as connection:
                if n == 0:
                    return scans.cancel(connection, mill.tenant_id, scan)
                return results.complete(connection, [ok(held)], mill.profile).ended

        said, ended = together(2, act)
        status = mill.status(scan).partition(" ")[0]
        won[status] += 1
        assert said == status
        assert ended == (frozenset() if status == "cancelled" else {held.run_id})
        assert mill.run(scan, "report").state == ("cancelled" if status == "cancelled" else "ok")
    assert rounds >= 50
    assert min(won.values()) > 0, f"only one side ever won: {won}"
    assert violations(wide) == []


def test_one_key_fifty_times_at_once_is_one_scan(wide: Database) -> None:
    mill = Mill(wide)
    new = mill.new("cat", idempotency_key="k", request_sha256="a")
    other = mill.new("dog", idempotency_key="k", request_sha256="b")

    def submit(n: int) -> object:
        with wide.begin() as connection:
            return scans.submit(connection, other if n % 10 == 9 else new)

    answers = together(12, lambda n: [_raised(submit, 5 * n + k) for k in range(5)])
    flat = [each for answer in answers for each in answer]
    refused = [each for each in flat if isinstance(each, IdempotencyConflict)]
    made = [each for each in flat if isinstance(each, scans.Submitted)]
    assert len(made) + len(refused) == len(flat) == 60
    assert len({each.scan_id for each in made}) == 1
    assert sum(each.created for each in made) == 1
    assert len(refused) in (6, 54)
    assert len(mill.query("SELECT 1 FROM scan")) == 1


def _raised(act: Callable[[int], object], n: int) -> object:
    try:
        return act(n)
    except IdempotencyConflict as error:
        return error


def test_two_controls_share_the_work_and_double_nothing(wide: Database) -> None:
    mill = Mill(wide, one_stage())
    for n in range(60):
        mill.submit(f"cat{n}", Lane.BULK)

    def turn(_: int) -> int:
        admitted = 0
        for _ in range(30):
            with wide.begin() as connection:
                admitted += len(admission.admit(connection, 40, page=7))
            time.sleep(0.005)  # who finds another at it comes back, as control does a second later
            with wide.begin() as connection:
                ledger.expire(connection)
            with wide.begin() as connection:
                admission.fold_counts(connection, limit=9)
        return admitted

    admitted = together(3, turn)
    assert sum(admitted) == 40, admitted
    assert len(mill.query("SELECT 1 FROM stage_run")) == 40
    assert violations(wide) == []


def test_a_lease_expired_by_two_and_completed_late_is_reopened_once(wide: Database) -> None:
    mill = Mill(wide, one_stage())
    for n in range(20):
        mill.submit(f"cat{n}")
    claims = mill.claim("report", 20)
    mill.overdue()

    def act(n: int) -> object:
        with wide.begin() as connection:
            if n == 0:
                return len(results.complete(connection, [ok(c) for c in claims], mill.profile).ended)
            return len(ledger.expire(connection))

    done, *reopened = together(3, act)
    assert sum(reopened) + done == 20, (done, reopened)
    assert {r.token for r in mill.query("SELECT token FROM stage_run WHERE state = 'ready'")} <= {2}
    assert violations(wide) == []


def test_a_heartbeat_just_in_time_saves_the_lease(wide: Database) -> None:
    mill = Mill(wide, one_stage())
    mill.submit("cat")
    (held,) = mill.claim("report")
    mill.overdue()

    def expire() -> list[Ready]:
        with wide.begin() as connection:
            return ledger.expire(connection)

    with threads(1) as pool:
        with wide.begin() as slow:
            lock_scans(slow, [held.scan_id])
            reopened = pool.submit(expire)
            while not mill.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
                time.sleep(0.01)
            with wide.begin() as connection:
                ledger.heartbeat(connection, mill.owner, [held.run_id])
        assert reopened.result(10) == []
    assert mill.complete([ok(held)]).ended == {held.run_id}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_hammered_ledger_ends_every_run_once_and_stays_true(wide: Database, seed: int) -> None:
    mill = Mill(wide, small_pipeline())
    made = [mill.submit(f"cat{n % 17}" if n % 5 else None).scan_id for n in range(30)]
    stop = time.monotonic() + 12
    away: list[str] = []

    def hammer(n: int) -> int:
        dice = random.Random(seed * 100 + n)
        ended = 0
        while time.monotonic() < stop:
            try:
                ended += _one_blow(mill, dice, made)
            except StorageUnavailable as error:
                away.append(str(error).splitlines()[0])
            if dice.random() < 0.2 and not mill.query(
                "SELECT 1 FROM stage_run WHERE state IN ('blocked', 'ready', 'leased') LIMIT 1"
            ):
                break
        return ended

    answers = together(HANDS, hammer)
    assert all(isinstance(each, int) for each in answers), answers
    assert len(away) < 20, away[:5]
    _finish(mill)
    assert violations(wide, settled=True) == []
    assert {mill.status(scan).partition(" ")[0] for scan in made} <= {"succeeded", "partial", "failed", "cancelled"}
    (stray,) = mill.query("SELECT count(*) AS n FROM stage_run WHERE state IN ('blocked', 'ready', 'leased')")
    assert stray.n == 0


def _one_blow(mill: Mill, dice: random.Random, made: Sequence[UUID]) -> int:
    owner = uuid.UUID(int=dice.getrandbits(128))
    claims = mill.claim(dice.choice(list(mill.stage_ids)), dice.randint(1, 6), owner=owner, lease_s=0.5)
    act = dice.random()
    with mill.database.begin() as connection:
        if act < 0.02:
            scans.cancel(connection, mill.tenant_id, dice.choice(made))
        elif act < 0.06:
            ledger.release(connection, owner, crashed=dice.random() < 0.3)
        elif act < 0.15:
            ledger.expire(connection)
        elif act < 0.25:
            results.settle_followers(connection)
        elif act < 0.35:
            ledger.heartbeat(connection, owner, [c.run_id for c in claims], lease_s=0.5)
    if act < 0.1 or not claims:
        return 0
    dice.shuffle(claims)
    again = {c.run_id for c in claims if dice.random() < 0.1}
    answers = [ends(c, RunState.READY, "STORAGE_UNAVAILABLE") if c.run_id in again else ok(c) for c in claims]
    ended = mill.complete(answers).ended
    assert mill.complete(answers).ended == frozenset(), "a doubled completion changed something"
    return len(ended)


def _finish(mill: Mill) -> None:
    for _ in range(50):
        mill.overdue()
        with mill.database.begin() as connection:
            ledger.expire(connection)
        with mill.database.begin() as connection:
            results.settle_followers(connection)
        if not mill.finish():
            return
