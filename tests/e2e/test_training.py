"""A real recipe on a real service: asked for, seen to move, broken off, gone on with, and its network registered."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db import model_promotions, model_versions
from tests.academy import PATIENCE_S, Academy, parent
from tests.made_up_cats import write_sets
from tests.stack import Stack, running, until

pytestmark = pytest.mark.timeout(900)

SCALE = "0.012"
"""Twenty-three steps: made-up pictures, from which nothing is learned."""


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
