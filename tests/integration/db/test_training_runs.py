"""Training runs as rows: asked for, claimed, fenced, broken off, cancelled, resumed. Time is Postgres time."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from db import tenants, training_runs, training_work
from db.session import Database
from db.settings import DatabaseSettings
from db.sql import run
from db.training_runs import NewRun, TrainingRow
from db.training_work import End, TrainingClaim
from pipeline.errors import (
    AlreadyFinished,
    IdempotencyConflict,
    NotFinished,
    TrainingUnavailable,
    UnknownRecipe,
)

RECIPES = ["landmarks", "areas"]
DATA = {"data": "/data/cats"}
FILES = {"w.h5": {"sha256": "a" * 64, "size": 3}}


class Office:
    """A ledger with a tenant and recipes."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.begin() as connection:
            self.tenant = tenants.create_tenant(connection, "one")
            self.other = tenants.create_tenant(connection, "two")
            training_runs.announce(connection, dict.fromkeys(RECIPES, "A sentence."))

    def do(self, act: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        with self.database.begin() as connection:
            return act(connection, *arguments, **more)

    def submit(self, recipe: str = "landmarks", key: str | None = None, tenant: UUID | None = None) -> TrainingRow:
        new = NewRun(
            tenant_id=tenant or self.tenant, recipe=recipe, parameters=DATA, asked_by="key 1", idempotency_key=key
        )
        row: TrainingRow = self.do(training_runs.submit, new)[0]
        return row

    def claim(self, lease_s: float = 30, **more: Any) -> TrainingClaim:
        found: TrainingClaim | None = self.do(training_work.claim, uuid.uuid4(), RECIPES, lease_s, **more)
        assert found is not None
        return found

    def row(self, run_id: UUID) -> TrainingRow:
        found: TrainingRow | None = self.do(training_runs.get, self.tenant, run_id)
        assert found is not None
        return found


@pytest.fixture
def office(database: Database) -> Office:
    return Office(database)


@pytest.fixture
def wide(database_url: str) -> Iterator[Database]:
    database = Database(DatabaseSettings(database_url=SecretStr(database_url), db_pool_size=12))
    yield database
    database.dispose()


def test_a_run_from_asking_to_success(office: Office) -> None:
    asked = office.submit()
    assert (asked.state, asked.attempts, asked.progress, asked.files) == ("queued", 0, {}, {})
    held = office.claim()
    assert (held.id, held.attempts, held.parameters) == (asked.id, 1, DATA)
    assert office.do(training_work.beat, held, {"step": 3}, 30) is False
    assert office.do(training_work.beat, held, {"loss": 0.5}, 30) is False
    end = End("succeeded", files={"a.onnx": {"sha256": "a" * 64, "size": 3}}, versions=[{"name": "cat"}])
    assert office.do(training_work.finish, held, end) == "succeeded"
    row = office.row(asked.id)
    assert (row.state, row.code, row.progress) == ("succeeded", None, {"step": 3, "loss": 0.5})
    assert row.files["a.onnx"]["size"] == 3 and row.versions == [{"name": "cat"}]
    assert row.started_at and row.finished_at


def test_only_announced_recipes_are_taken(office: Office, wide: Database) -> None:
    with pytest.raises(UnknownRecipe):
        office.submit("nothing")
    with office.database.begin() as connection:
        run(connection, "DELETE FROM training_recipe")
    with pytest.raises(TrainingUnavailable):
        office.submit()


def test_a_repeated_key_is_one_run_and_another_request_under_it_a_conflict(office: Office) -> None:
    first = office.submit(key="k")
    assert office.submit(key="k").id == first.id
    with pytest.raises(IdempotencyConflict):
        office.submit("areas", key="k")
    assert office.submit(key="k", tenant=office.other).id != first.id
    assert office.submit().id != office.submit().id


def test_runs_are_claimed_once_oldest_first_and_only_by_who_knows_the_recipe(office: Office) -> None:
    first, second = office.submit(), office.submit("areas")
    assert office.do(training_work.claim, uuid.uuid4(), [], 30) is None
    assert office.do(training_work.claim, uuid.uuid4(), ["areas"], 30).id == second.id
    assert office.do(training_work.claim, uuid.uuid4(), RECIPES, 30, [str(second.id)]) is None
    assert office.claim(run_ids=[str(first.id)]).id == first.id
    assert office.do(training_work.claim, uuid.uuid4(), RECIPES, 30) is None


def test_many_trainers_take_each_run_once(office: Office, wide: Database) -> None:
    office.database = wide
    asked = {office.submit().id for _ in range(30)}
    taken: list[UUID] = []

    def take() -> None:
        while found := office.do(training_work.claim, uuid.uuid4(), RECIPES, 30):
            taken.append(found.id)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(asked)


def test_a_lease_that_ran_out_interrupts_and_the_late_holder_is_fenced(office: Office) -> None:
    asked = office.submit()
    late = office.claim(lease_s=-1)
    assert office.do(training_work.expire) == [asked.id]
    assert office.row(asked.id).state == "interrupted"
    assert office.do(training_work.beat, late, {"step": 9}, 30) is None
    assert office.do(training_work.keep_checkpoint, late, "f" * 64, FILES) == []
    assert office.do(training_work.finish, late, End("succeeded")) is None
    assert office.do(training_work.hand_back, late, died=True) is None
    newer = office.claim()
    assert newer.attempts == 2 and newer.token > late.token and office.row(asked.id).checkpoint is None
    assert office.do(training_work.expire) == []
    assert office.do(training_work.finish, newer, End("succeeded")) == "succeeded"


def test_deaths_are_counted_and_handing_back_is_not(office: Office) -> None:
    asked = office.submit()
    for _ in range(5):
        assert office.do(training_work.hand_back, office.claim(), died=False) == "interrupted"
    for _ in range(training_work.MOST_DEATHS - 1):
        assert office.do(training_work.hand_back, office.claim(), died=True) == "interrupted"
    assert office.do(training_work.hand_back, office.claim(), died=True) == "failed"
    row = office.row(asked.id)
    assert (row.code, row.attempts) == ("TRAINING_INTERRUPTED", 5 + training_work.MOST_DEATHS)
    assert row.finished_at is not None


def test_a_child_that_is_gone_lets_go_of_all_it_held(office: Office) -> None:
    owner = uuid.uuid4()
    asked = [office.submit().id for _ in range(2)]
    for _ in asked:
        office.do(training_work.claim, owner, RECIPES, 30)
    other = office.submit()
    office.claim()
    assert sorted(office.do(training_work.release, owner, died=True)) == asked
    assert office.row(other.id).state == "running"


def test_cancel_ends_what_waits_at_once_and_what_runs_when_it_hears(office: Office) -> None:
    waiting = office.submit()
    assert office.do(training_runs.cancel, office.tenant, waiting.id).state == "cancelled"
    asked = office.submit()
    held = office.claim()
    assert office.do(training_runs.cancel, office.tenant, asked.id).state == "running"
    assert office.do(training_runs.cancel, office.tenant, asked.id).cancel_requested_at is not None
    assert office.do(training_work.beat, held, {}, 30) is True
    assert office.do(training_work.finish, held, End("succeeded")) == "cancelled", "what is cancelled never succeeds"
    row = office.row(asked.id)
    assert (row.state, row.code) == ("cancelled", "CANCELLED") and row.finished_at is not None
    assert office.do(training_runs.cancel, office.tenant, asked.id).state == "cancelled"


def test_a_cancelled_run_whose_worker_died_is_cancelled(office: Office) -> None:
    asked = office.submit()
    office.claim(lease_s=-1)
    office.do(training_runs.cancel, office.tenant, asked.id)
    assert office.do(training_work.expire) == [], "nobody is to take it"
    assert office.row(asked.id).state == "cancelled"


def test_who_ended_is_not_cancelled(office: Office) -> None:
    asked = office.submit()
    office.do(training_work.finish, office.claim(), End("failed", "TRAINING_FAILED"))
    with pytest.raises(AlreadyFinished):
        office.do(training_runs.cancel, office.tenant, asked.id)


def test_resuming_is_a_new_run_that_begins_with_the_checkpoint(office: Office) -> None:
    asked = office.submit()
    held = office.claim()
    with pytest.raises(NotFinished):
        office.do(training_runs.resume, office.tenant, asked.id, "key 1")
    office.do(training_work.keep_checkpoint, held, "c" * 64, FILES)
    office.do(training_work.finish, held, End("failed", "TRAINING_FAILED", "why"))
    again, made = office.do(training_runs.resume, office.tenant, asked.id, "key 2")
    assert made and (again.resumed_from, again.checkpoint, again.parameters) == (asked.id, "c" * 64, DATA)
    assert again.files == FILES
    twice, made = office.do(training_runs.resume, office.tenant, asked.id, "key 2")
    assert not made and twice.id == again.id, "one that is under way is enough"
    assert office.row(asked.id).state == "failed", "what ended stays as it ended"
    held = office.claim()
    assert held.checkpoint == "c" * 64
    assert office.do(training_work.keep_checkpoint, held, "d" * 64, FILES) == [], "the older run may still be resumed"
    assert office.do(training_work.keep_checkpoint, held, "e" * 64, FILES) == ["d" * 64], "nobody needs that one"
    office.do(training_work.finish, held, End("succeeded"))
    with pytest.raises(AlreadyFinished):
        office.do(training_runs.resume, office.tenant, again.id, "key 2")


def test_other_tenants_see_and_change_nothing(office: Office) -> None:
    asked = office.submit()
    for act in (training_runs.get, training_runs.cancel):
        assert office.do(act, office.other, asked.id) is None
    assert office.do(training_runs.resume, office.other, asked.id, "x") is None
    assert office.do(training_runs.listing, office.other) == []
    assert [each.id for each in office.do(training_runs.listing, office.tenant, state="queued")] == [asked.id]
    assert office.row(asked.id).state == "queued"


def test_runs_are_counted_by_state(office: Office) -> None:
    office.submit()
    office.submit()
    office.claim()
    counted = office.do(training_runs.counts)
    assert counted == dict.fromkeys(training_runs.STATES, 0) | {"queued": 1, "running": 1}


def test_a_cancel_and_an_end_at_once_leave_one_of_the_two(office: Office, wide: Database) -> None:
    office.database = wide
    for _ in range(20):
        asked = office.submit()
        held = office.claim()
        seen: dict[str, object] = {}

        def cancel(run_id: UUID = asked.id, seen: dict[str, object] = seen) -> None:
            try:
                seen["cancel"] = office.do(training_runs.cancel, office.tenant, run_id).state
            except AlreadyFinished:
                seen["cancel"] = "too late"

        thread = threading.Thread(target=cancel)
        thread.start()
        state = office.do(training_work.finish, held, End("succeeded"))
        thread.join()
        assert office.row(asked.id).state == state
        assert (state == "cancelled") == (seen["cancel"] != "too late")
