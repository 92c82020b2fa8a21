"""Which slots a host runs, and that a GPU that is not there is said at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.local import LocalService, Options, listening
from cli.main import build
from pipeline.contracts import Queue
from tasks.training.recipes import NoTraining, require_training
from workers.settings import SlotSettings, WorkerSettings
from workers.slot import SlotPlan
from workers.supervisor import NoGpu, plan, require_gpus

CPU, BOTH, GPU, TRAIN = (Queue.CPU,), (Queue.CPU, Queue.GPU), (Queue.GPU,), (Queue.TRAIN,)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [SlotPlan("cpu0", CPU)]),
        ({"slots": 2, "allow_cpu": True}, [SlotPlan("cpu0", BOTH), SlotPlan("cpu1", BOTH)]),
        ({"slots": 1, "gpus": [0, 3]}, [SlotPlan("gpu0", GPU, 0), SlotPlan("gpu3", GPU, 3), SlotPlan("cpu0", CPU)]),
        ({"slots": 0, "gpus": [1]}, [SlotPlan("gpu1", GPU, 1)]),
        ({"train_slots": 1}, [SlotPlan("cpu0", CPU), SlotPlan("train0", TRAIN)]),
        ({"slots": 0, "train_gpus": [1], "allow_cpu": True}, [SlotPlan("train-gpu1", TRAIN, 1)]),
    ],
)
def test_the_plan_follows_the_settings(settings: dict[str, object], expected: list[SlotPlan]) -> None:
    assert plan(WorkerSettings(**settings)) == expected  # type: ignore[arg-type]


@pytest.mark.row("S4.47")
def test_a_gpu_that_is_not_there_is_refused_and_says_what_to_do() -> None:
    require_gpus([])
    with pytest.raises(NoGpu, match=r"no GPU \[97\].*--allow-cpu"):
        require_gpus([97])


def test_a_host_without_what_trains_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    require_training()
    monkeypatch.setattr("tasks.training.recipes.find_spec", lambda name: None if name == "keras" else object())
    with pytest.raises(NoTraining, match=r"lacks keras: install requirements/training\.in"):
        require_training()
    monkeypatch.setattr("tasks.training.recipes.find_spec", lambda name: None)
    with pytest.raises(NoTraining, match=r"lacks training, keras, cv2, tensorflow or jax"):
        require_training()


def test_the_command_refuses_what_the_host_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DATABASE", "postgresql://x"), ("REDIS", "redis://x"), ("STORAGE", "file:///nowhere")):
        monkeypatch.setenv(f"SCANMILL_{name}_URL", value)
    monkeypatch.setenv("SCANMILL_STORAGE_SIGNING_KEY", "k" * 32)
    monkeypatch.setattr("workers.logs.configure", lambda: None)
    monkeypatch.setattr("tasks.training.recipes.find_spec", lambda name: None)
    for words in (["worker", "--slots", "0", "--train", "1"], ["up", "--train"]):
        refused = CliRunner().invoke(build(words[0]), [*words, "--json"])
        assert refused.exit_code == 2, refused.output
        assert "requirements/training.in" in json.loads(refused.stdout)["error"]
    idle = CliRunner().invoke(build("worker"), ["worker", "--slots", "0", "--json"])
    assert idle.exit_code == 2 and "nothing to do" in idle.output


def test_up_gives_a_training_slot_only_when_asked(tmp_path: Path) -> None:
    with listening(0) as door:
        for train in (False, True):
            service = LocalService(Options(tmp_path, "local", train=train), print)
            [worker] = [program for program in service._programs(door) if program.name == "worker"]
            assert ("--train" in worker.argv) is train


def test_a_slot_reads_its_queues_from_its_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("NODE", "cpu0@host"), ("QUEUES", "cpu,gpu"), ("BOARD", "/tmp/cpu0.json")):
        monkeypatch.setenv(f"SCANMILL_SLOT_{name}", value)
    assert SlotSettings().kinds == BOTH
    monkeypatch.setenv("SCANMILL_SLOT_QUEUES", "cpu,tpu")
    with pytest.raises(ValueError, match="tpu"):
        _ = SlotSettings().kinds
