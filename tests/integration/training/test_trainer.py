"""The trainer on real PostgreSQL and storage, with real processes that keep the contract of a training."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from db import tenants, training_runs, training_work
from db.session import Database
from db.training_runs import NewRun, TrainingRow
from storage.keys import training_key
from storage.local import LocalStorage
from tasks.settings import TrainingSettings
from tasks.training import process
from tasks.training.trainer import Trainer
from tests.servers.house import alive
from tests.stack import until

RECIPE = "tiny"
SIGNING_KEY = b"a signing key of some length for a test"


class School:
    """A ledger with one recipe, a folder of data, and trainers."""

    def __init__(self, database: Database, storage: LocalStorage, folder: Path) -> None:
        self.database = database
        self.storage = storage
        self.folder = folder
        self.root = folder / "open"
        self.trainers = 0
        with database.begin() as connection:
            self.tenant = tenants.create_tenant(connection, "one")
            training_runs.announce(connection, {RECIPE: "Counts."})

    def submit(self, data: Path | None = None, **act: Any) -> UUID:
        if data is None:
            data = self.root / uuid.uuid4().hex
            data.mkdir(parents=True)
            (data / "act.json").write_text(json.dumps(act))
        new = NewRun(
            tenant_id=self.tenant,
            recipe=RECIPE,
            parameters={"data": str(data), "train_only": True},
            asked_by="a test",
        )
        with self.database.begin() as connection:
            return training_runs.submit(connection, new)[0].id

    def trainer(self, lease_s: float = 30, **settings: Any) -> Trainer:
        self.trainers += 1
        made = Trainer(
            database=self.database,
            storage=self.storage,
            owner=uuid.uuid4(),
            settings=TrainingSettings(roots=[self.root], stop_grace_s=settings.get("grace_s", 5)),
            lease_s=lease_s,
            folder=self.folder / f"trainer{self.trainers}",
        )
        made.recipes = (RECIPE,)
        return made

    def row(self, run_id: UUID) -> TrainingRow:
        with self.database.begin() as connection:
            found = training_runs.get(connection, self.tenant, run_id)
        assert found is not None
        return found

    def cancel(self, run_id: UUID) -> None:
        with self.database.begin() as connection:
            training_runs.cancel(connection, self.tenant, run_id)

    def resume(self, run_id: UUID) -> UUID:
        with self.database.begin() as connection:
            found = training_runs.resume(connection, self.tenant, run_id, "a test")
        assert found is not None
        return found[0].id

    def stored(self, sha256: str) -> bytes:
        return self.storage.get(training_key(self.tenant, sha256), sha256)

    def output(self, run_id: UUID, name: str = "weights") -> str:
        return self.stored(self.row(run_id).files[name]["sha256"]).decode()


@pytest.fixture
def school(database: Database, storage_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> School:
    monkeypatch.setattr(process, "MODULE", "tests.tiny_training")
    monkeypatch.setattr("tasks.training.trainer.AGAIN_S", 0.2)
    monkeypatch.setattr("tasks.training.lease.BEAT_S", 0.2)
    return School(database, LocalStorage(storage_dir, SIGNING_KEY), tmp_path)


@pytest.fixture
def aside() -> Iterator[Callable[[Trainer], threading.Thread]]:
    """Lets a trainer work in a thread; whatever still works at the end is stopped."""
    started: list[tuple[Trainer, threading.Thread]] = []

    def work(trainer: Trainer) -> threading.Thread:
        thread = threading.Thread(target=trainer.work)
        thread.start()
        started.append((trainer, thread))
        return thread

    yield work
    for trainer, thread in started:
        trainer.stopping.set()
        thread.join()


Aside = Callable[[Trainer], threading.Thread]


def steps(school: School, run_id: UUID) -> int:
    return int(school.row(run_id).progress.get("step", 0))


def children(word: str) -> list[int]:
    """Processes whose command line names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and alive(int(entry.name)):
            try:
                line = (entry / "cmdline").read_text()
            except OSError:
                continue
            if word in line and "tests.tiny_training" in line:
                found.append(int(entry.name))
    return found


@pytest.mark.row("S3.20")
def test_a_run_is_trained_and_what_it_leaves_is_stored(school: School) -> None:
    asked = school.submit(export={"weights": "w", "a.checkpoint": "x"})
    trainer = school.trainer()
    assert trainer.work() == 1 and trainer.work() == 0
    row = school.row(asked)
    assert (row.state, row.code, row.attempts, row.checkpoint) == ("succeeded", None, 1, None)
    assert (row.progress["state"], row.progress["step"]) == ("done", 20)
    assert row.progress["metrics"] == [{"name": "score", "value": 0.5, "n": 3}]
    assert set(row.files) == {"weights"} and school.output(asked) == "w from 0"
    assert not list((school.folder / "trainer1").glob("*")), "nothing stays in the slot's folder"


def test_a_message_names_runs_and_has_no_authority(school: School) -> None:
    first, second = school.submit(), school.submit()
    trainer = school.trainer()
    assert trainer.work(["x", "", str(uuid.uuid4())]) == 0
    assert trainer.work([str(second)]) == 1
    assert (school.row(first).state, school.row(second).state) == ("queued", "succeeded")
    assert trainer.work([str(second)]) == 0, "a doubled message changes nothing"


def test_a_cancel_is_heard_within_seconds_and_leaves_a_checkpoint(school: School, aside: Aside) -> None:
    asked = school.submit(steps=2_000, every=10_000)
    thread = aside(school.trainer())
    until(lambda: steps(school, asked) > 2, 60)
    school.cancel(asked)
    thread.join(20)
    assert not thread.is_alive()
    row = school.row(asked)
    assert (row.state, row.code, row.files) == ("cancelled", "CANCELLED", {})
    assert row.checkpoint is not None and int(school.stored(row.checkpoint)) >= row.progress["step"] > 2
    assert children(str(school.folder)) == []


def test_who_resumes_goes_on_from_there(school: School, aside: Aside) -> None:
    data = school.root / "cats"
    data.mkdir(parents=True)
    (data / "act.json").write_text('{"steps": 2000, "every": 10000}')
    asked = school.submit(data)
    thread = aside(school.trainer())
    until(lambda: steps(school, asked) > 2, 60)
    school.cancel(asked)
    thread.join(20)
    reached = int(school.stored(str(school.row(asked).checkpoint)))
    (data / "act.json").write_text(json.dumps({"steps": reached + 5}))
    again = school.resume(asked)
    assert school.trainer().work() == 1
    assert school.row(again).state == "succeeded" and school.output(again) == f"w from {reached}"
    assert school.row(asked).state == "cancelled" and school.stored(str(school.row(asked).checkpoint))


def test_one_that_does_not_hear_is_killed(school: School, aside: Aside) -> None:
    asked = school.submit(steps=2_000, deaf=True)
    thread = aside(school.trainer(grace_s=0.5))
    until(lambda: steps(school, asked) > 5, 60)
    school.cancel(asked)
    thread.join(20)
    assert school.row(asked).state == "cancelled" and children(str(school.folder)) == []
    assert int(school.stored(str(school.row(asked).checkpoint))) % 5 == 0, "the last one that it wrote"


def test_a_worker_that_stops_hands_its_run_on(school: School, aside: Aside) -> None:
    asked = school.submit(steps=60)
    first = school.trainer()
    thread = aside(first)
    until(lambda: steps(school, asked) > 2, 60)
    first.stopping.set()
    thread.join(20)
    row = school.row(asked)
    assert (row.state, row.attempts) == ("interrupted", 1) and row.checkpoint is not None
    reached = int(school.stored(row.checkpoint))
    assert school.trainer().work() == 1
    assert school.row(asked).attempts == 2 and school.output(asked) == f"w from {reached}"


def test_a_process_that_dies_is_started_again_from_its_checkpoint(school: School) -> None:
    asked = school.submit(steps=40, every=5, die_at=23, step_s=0.1)
    trainer = school.trainer()
    assert trainer.work() == 1
    row = school.row(asked)
    assert (row.state, row.code) == ("interrupted", None) and int(school.stored(str(row.checkpoint))) == 20
    (Path(row.parameters["data"]) / "act.json").write_text('{"steps": 40}')
    trainer.work()
    assert school.row(asked).state == "succeeded" and school.output(asked) == "w from 20"
    assert training_key(school.tenant, str(row.checkpoint)) not in stored_keys(school), "nobody needs it any more"


def test_what_it_had_made_by_then_is_there_when_it_goes_on(school: School) -> None:
    asked = school.submit(steps=40, every=5, die_at=12, step_s=0.1, half=True)
    trainer = school.trainer()
    trainer.work()
    row = school.row(asked)
    assert set(row.files) == {"half"}
    (Path(row.parameters["data"]) / "act.json").write_text('{"steps": 20, "half": true}')
    trainer.work()
    assert school.row(asked).state == "succeeded", school.row(asked)
    assert set(school.row(asked).files) == {"half", "weights"} and school.output(asked) == "w from 10"


def test_a_checkpoint_of_another_kind_of_machine_is_dropped(school: School) -> None:
    asked = school.submit(steps=40, every=5, die_at=12, step_s=0.1)
    trainer = school.trainer()
    trainer.work()
    data = Path(school.row(asked).parameters["data"])
    (data / "act.json").write_text('{"steps": 10, "other_machine": true}')
    trainer.work()
    assert (school.row(asked).state, school.row(asked).checkpoint) == ("interrupted", None)
    trainer.work()
    assert school.row(asked).state == "succeeded" and school.output(asked) == "w from 0"


def test_whoever_asks_to_go_on_from_a_checkpoint_that_does_not_fit_hears_of_it(school: School, aside: Aside) -> None:
    asked = school.submit(steps=2_000)
    thread = aside(school.trainer())
    until(lambda: steps(school, asked) > 2, 60)
    school.cancel(asked)
    thread.join(10)
    (Path(school.row(asked).parameters["data"]) / "act.json").write_text('{"other_machine": true}')
    again = school.resume(asked)
    school.trainer().work()
    row = school.row(again)
    assert (row.state, row.code, row.detail) == ("failed", "CHECKPOINT_MISMATCH", "It differs.")


def stored_keys(school: School) -> set[str]:
    root = school.storage._root
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and ".about" not in path.parts}


def test_one_that_dies_again_and_again_fails(school: School) -> None:
    asked = school.submit(die_at=1)
    trainer = school.trainer()
    for _ in range(training_work.MOST_DEATHS):
        assert trainer.work() == 1
    assert trainer.work() == 0
    row = school.row(asked)
    assert (row.state, row.code, row.attempts) == ("failed", "TRAINING_INTERRUPTED", training_work.MOST_DEATHS)


@pytest.mark.parametrize(
    ("words", "code", "detail"),
    [
        ("error: INVALID_FIELD The labels lack a column.", "INVALID_FIELD", "The labels lack a column."),
        ("error: NOT_ONE_OF_OURS What?", "TRAINING_FAILED", None),
        ("Traceback\nValueError: /secret/place", "TRAINING_FAILED", None),
        ("", "TRAINING_FAILED", None),
    ],
)
def test_its_last_words_say_why_it_failed(school: School, words: str, code: str, detail: str | None) -> None:
    asked = school.submit(fail=words)
    school.trainer().work()
    row = school.row(asked)
    assert (row.state, row.code, row.detail) == ("failed", code, detail)


def test_data_that_is_not_there_or_leads_out_of_the_roots_is_refused_here_too(school: School) -> None:
    school.root.mkdir(parents=True)
    (school.root / "link").symlink_to("/etc")
    for data in (school.root / "nowhere", school.root / "link", school.root / ".." / "x", Path("/etc")):
        asked = school.submit(data)
        school.trainer().work()
        assert (school.row(asked).state, school.row(asked).code) == ("failed", "TRAINING_DATA_INVALID"), data


def test_a_lost_lease_is_noticed_and_the_process_killed(school: School, aside: Aside) -> None:
    asked = school.submit(steps=100)
    thread = aside(school.trainer())
    until(lambda: steps(school, asked) > 2, 60)
    with school.database.begin() as connection:
        from db.sql import run

        run(connection, "UPDATE training_run SET lease_until = clock_timestamp() - interval '1 second'")
        assert training_work.expire(connection) == [asked]
    thread.join(20)
    assert not thread.is_alive() and children(str(school.folder)) == []
    assert school.row(asked).state == "interrupted"
    assert school.trainer().work() == 1 and school.row(asked).state == "succeeded"


def test_storage_that_is_away_is_waited_for(school: School, storage_dir: Path, aside: Aside) -> None:
    asked = school.submit(steps=10)
    hidden = storage_dir.with_name("hidden")
    storage_dir.rename(hidden)
    storage_dir.write_text("no folder")
    thread = aside(school.trainer())
    until(lambda: school.row(asked).progress.get("state") == "done", 60)
    time.sleep(0.5)
    assert school.row(asked).state == "running", "nothing is said to be there that is not"
    storage_dir.unlink()
    hidden.rename(storage_dir)
    thread.join(10)
    assert school.row(asked).state == "succeeded" and school.output(asked) == "w from 0"


def test_a_checkpoint_that_is_gone_costs_time_and_nothing_else(school: School) -> None:
    asked = school.submit(steps=40, every=5, die_at=12, step_s=0.1)
    trainer = school.trainer()
    trainer.work()
    row = school.row(asked)
    school.storage.delete(training_key(school.tenant, str(row.checkpoint)))
    (Path(row.parameters["data"]) / "act.json").write_text('{"steps": 10}')
    trainer.work()
    assert school.output(asked) == "w from 0"


def test_it_dies_with_whoever_started_it(school: School, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "act.json").write_text('{"steps": 100000}')
    pid = os.fork()
    if pid == 0:
        words = ["--data", str(data), "--out", str(tmp_path)]
        process.TrainingProcess(RECIPE, words, tmp_path / "progress.json", tmp_path / "log")
        time.sleep(60)
        os._exit(0)
    until((tmp_path / "progress.json").exists, 60)
    assert len(children(str(tmp_path))) == 1
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    until(lambda: children(str(tmp_path)) == [], 30)


def test_it_sees_no_address_and_no_key_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANMILL_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("SCANMILL_S3_SECRET_KEY", "secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    seen = process.environment()
    assert "secret" not in str(seen.values()) and "OMP_NUM_THREADS" not in seen and seen["KERAS_BACKEND"] == "jax"
