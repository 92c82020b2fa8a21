"""A real recipe on a real service: asked for, seen to move, broken off, gone on with, and its network registered."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import build
from cli.processes import descendants
from db import model_promotions, model_versions
from tests.made_up_cats import write_sets
from tests.servers.house import command_line
from tests.stack import Stack, running, until

pytestmark = pytest.mark.timeout(900)

SCALE = "0.012"
"""Twenty-three steps: made-up pictures, from which nothing is learned."""

PATIENCE_S = 400
"""A training takes half a minute here, and a machine may be busy with others."""

LOOK_S = 0.2


class Academy:
    """A stack with one worker that trains, and the command line that talks to it."""

    def __init__(self, stack: Stack, data: Path) -> None:
        self.stack = stack
        self.data = data
        key = stack.key(stack.tenant("one"))
        self.settings = {"SCANMILL_API_URL": stack.url, "SCANMILL_API_KEY": key, **stack.environment}

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(build(words[0]), [*words, "--json"], env=self.settings)

    def said(self, *words: str) -> dict[str, Any]:
        done = self.run(*words)
        assert done.exit_code == 0, f"{done.output}\n{self.stack.last_words()}"
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def is_taught(self) -> bool:
        """Whether the trainer has announced its recipes."""
        time.sleep(LOOK_S)
        asked = self.run("training", "recipes")
        return asked.exit_code == 0 and bool(json.loads(asked.stdout))

    def status(self, training_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.run("training", "status", training_id).stdout)
        return answer

    def await_(self, training_id: str, state: str, step: int = 0) -> list[dict[str, Any]]:
        """What was seen of a training until it was in that state and at that step."""
        seen = [self.status(training_id)]
        ends = time.monotonic() + PATIENCE_S
        while seen[-1]["state"] != state or seen[-1]["progress"].get("step", 0) < step:
            assert seen[-1]["state"] != "failed" and time.monotonic() < ends, f"{seen[-1]}\n{self.stack.last_words()}"
            time.sleep(LOOK_S)
            seen.append(self.status(training_id))
        return seen

    def trainings(self) -> list[int]:
        """Processes that train, and those that draw their pictures."""
        return [
            pid
            for process in self.stack.processes.values()
            for pid in descendants(process.pid)
            if "training.run" in command_line(pid)
        ]


@pytest.fixture
def academy(tmp_path: Path, database_url: str, redis_url: str) -> Iterator[Academy]:
    data = write_sets(tmp_path / "data")
    with running(Stack(tmp_path, database_url, redis_url, SCANMILL_TRAINING_ROOTS=json.dumps([str(data)]))) as stack:
        made = Academy(stack, data)
        stack.start("api")
        stack.start("control")
        stack.start("worker", "--slots", "0", "--train", "1")
        until(made.is_taught, PATIENCE_S, stack.last_words)
        yield made


@pytest.mark.row("S3.18")
def test_from_asking_to_a_registered_version(academy: Academy, tmp_path: Path) -> None:
    recipes = {each["name"]: each["about"] for each in academy.said("training", "recipes")}
    assert recipes["landmarks"].startswith("Six points on a cat's head crop")
    words = ("train", "landmarks", "--remote", "--no-wait", "--data", str(academy.data), "--scale", SCALE)
    asked = academy.said(*words)
    assert asked["state"] == "queued"
    seen = academy.await_(asked["id"], "running", step=2)[-1]
    assert seen["progress"]["state"] == "training" and seen["progress"]["eta_s"] > 0 and seen["progress"]["loss"] > 0
    cancelled = academy.said("training", "cancel", asked["id"], "--wait")
    assert (cancelled["state"], cancelled["code"], cancelled["checkpoint"]) == ("cancelled", "CANCELLED", True)
    reached = cancelled["progress"]["step"]
    assert 2 <= reached < cancelled["progress"]["steps"] and academy.trainings() == []
    assert academy.run("training", "status", asked["id"]).exit_code == 3

    resumed = academy.said("training", "resume", asked["id"])
    assert resumed["resumed_from"] == asked["id"]
    seen_again = academy.await_(resumed["id"], "succeeded")
    steps = [each["progress"]["step"] for each in seen_again if each["progress"].get("state") == "training"]
    assert all(step >= reached for step in steps if step), "it went on, it did not begin again"
    done = academy.status(resumed["id"])
    assert {metric["name"] for metric in done["progress"]["metrics"]} >= {"mean error / head side"}
    assert {file["name"] for file in done["files"]} >= {"cat_landmarks.onnx", "landmarks.weights.h5"}
    is_registered(academy, done)
    out = tmp_path / "fetched"
    academy.said("training", "fetch", done["id"], "--out", str(out))
    assert json.loads((out / "landmarks.run.json").read_text())["resumed"] == 1


def is_registered(academy: Academy, done: dict[str, Any]) -> None:
    """As a candidate with goldens, beside the version that scans get."""
    [version] = done["versions"]
    assert (version["name"], version["version"].partition("+")[2]) == ("cat_landmarks", done["id"])
    with academy.stack.database.begin() as connection:
        row = model_versions.find(connection, "cat_landmarks", version["digest"])
        assert model_promotions.current(connection)["cat_landmarks"] != version["digest"], "nothing promotes it"
    assert row is not None and row.stored_at is not None
    assert row.state == "registered" and row.goldens is not None and row.goldens["pictures"]


@pytest.mark.slow
def test_a_killed_worker_costs_a_training_nothing_but_time(academy: Academy) -> None:
    words = ("train", "landmarks", "--remote", "--no-wait", "--train-only", "--data", str(academy.data))
    asked = academy.said(*words, "--scale", "0.003")
    academy.await_(asked["id"], "running", step=1)
    those_that_train = academy.trainings()
    [pid] = [each for each in those_that_train if parent(each) not in those_that_train]
    os.kill(parent(pid), signal.SIGKILL)  # the slot's child
    until(lambda: not set(those_that_train) & set(academy.trainings()), 30)
    done = academy.await_(asked["id"], "succeeded")[-1]
    assert (done["attempts"], done["versions"]) == (2, [])


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
