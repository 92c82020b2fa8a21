"""`scanmill train` in this process tree: a real child that keeps the contract, followed, broken off, gone on with."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import build
from cli.supervisor import ROOT, child_environment
from tasks.training import process
from tests.stack import until

TINY = "import tasks.training.process as p; p.MODULE = 'tests.tiny_training'; from cli.main import app; app()"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MODULE", "tests.tiny_training")


def act(data: Path, **how: Any) -> None:
    (data / "act.json").write_text(json.dumps({"steps": 5} | how))


def run(*words: str) -> Result:
    return CliRunner().invoke(build("train"), ["train", "tiny", *words, "--json"])


@pytest.mark.row("S3.35")
def test_it_trains_and_says_what_came_of_it(data: Path, out: Path) -> None:
    act(data)
    done = run("--data", str(data), "--out", str(out))
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["state"], said["progress"]["state"], said["progress"]["step"]) == ("succeeded", "done", 5)
    assert {"name": "weights", "size": 8} in said["files"] and (out / "weights").read_text() == "w from 0"
    assert said["out"] == str(out) and Path(said["log"]).is_file()


def test_relative_folders_are_the_callers(data: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    act(data)
    monkeypatch.chdir(data.parent)
    assert run("--data", "data", "--out", "out", "--seed", "3", "--budget", "cpu", "--train-only").exit_code == 0
    assert (out / "weights").exists()


def test_its_last_words_are_the_commands(data: Path, out: Path) -> None:
    act(data, fail="noise\nerror: TRAINING_DATA_MISSING No labels.")
    failed = run("--data", str(data), "--out", str(out))
    said = json.loads(failed.stdout)
    assert failed.exit_code == 1
    assert (said["state"], said["code"], said["detail"]) == ("failed", "TRAINING_DATA_MISSING", "No labels.")
    assert run("--data", str(data), "--out", str(out), "--again").exit_code == 1
    act(data)
    assert run("--data", str(data), "--out", str(out), "--", "--unheard-of").exit_code == 1


def test_a_host_that_cannot_train_says_what_to_install(data: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.training.recipes.find_spec", lambda name: None)
    refused = run("--data", str(data), "--out", str(out))
    assert refused.exit_code == 1 and "requirements/training.in" in json.loads(refused.stdout)["error"]


@pytest.mark.parametrize(
    "words",
    [[], ["--out", "x", "--remote"], ["--remote", "--resume"], ["--out", "x", "--after", "y"], ["--out", "x", "--scale", "-1"],
     ["--remote", "--", "--threads", "3"]],
)  # fmt: skip
def test_what_does_not_go_together_is_said(data: Path, words: list[str]) -> None:
    act(data)
    command = ["train", "tiny", "--data", str(data), "--json", *words]
    assert CliRunner().invoke(build("train"), command).exit_code == 2


@pytest.mark.row("S3.35")
@pytest.mark.parametrize(
    ("word", "recipes"),
    [
        ("lgbm", ["cataract_fast"]),
        ("clip", ["cataract_strong"]),
        ("both", ["cataract_fast", "cataract_strong"]),
        ("tiny", ["tiny"]),
    ],
)
def test_the_cataract_seeds_words_name_recipes(data: Path, out: Path, word: str, recipes: list[str]) -> None:
    act(data)
    done = CliRunner().invoke(build("train"), ["train", word, "--data", str(data), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    told = said if word == "both" else [said]
    assert [each["recipe"] for each in told] == recipes and {each["state"] for each in told} == {"succeeded"}
    assert all((out / f"{recipe}.log").is_file() for recipe in recipes)


@pytest.mark.row("S3.35")
def test_of_both_the_second_waits_for_the_first_to_succeed(data: Path, out: Path) -> None:
    act(data, fail="error: TRAINING_DUPLICATES The same picture twice.")
    failed = CliRunner().invoke(build("train"), ["train", "both", "--data", str(data), "--out", str(out), "--json"])
    assert failed.exit_code == 1
    (said,) = json.loads(failed.stdout)
    assert (said["recipe"], said["code"]) == ("cataract_fast", "TRAINING_DUPLICATES")
    assert not (out / "cataract_strong.log").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_a_checkpoint_to_go_on_from(data: Path, out: Path, number: signal.Signals) -> None:
    act(data, steps=1000, every=10_000)
    command = [sys.executable, "-c", TINY, "train", "tiny", "--data", str(data), "--out", str(out), "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, env=child_environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as training:
        until(lambda: (out / "tiny.log").exists() and "begun" in (out / "tiny.log").read_text(), 60)
        training.send_signal(number)
        said, _ = training.communicate(timeout=30)
    assert training.returncode == 130
    assert json.loads(said)["state"] == "interrupted"
    reached = int((out / "tiny.checkpoint").read_text())
    act(data, steps=reached + 2)
    assert run("--data", str(data), "--out", str(out), "--resume").exit_code == 0
    assert (out / "weights").read_text() == f"w from {reached}"
