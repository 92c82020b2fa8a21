"""A recipe as a process: train, export, score, note; to the same bytes again; asked to stop; told how far it is."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import InvalidField
from tests.made_up_cats import write_sets
from training.run import RECIPES, arguments, told

ROOT = Path(__file__).parents[3]
STEPS = 9
pytestmark = pytest.mark.timeout(2000)


def command(data: Path, out: Path, *options: str) -> list[str]:
    """The smallest recipe, nine steps of it."""
    folders = ["--data", str(data), "--out", str(out), "--progress", str(out.with_suffix(".progress"))]
    return [sys.executable, "-m", "training.run", "landmarks", *folders, "--scale", "0.005", *options]


def ran(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True, timeout=900)


def digest(out: Path) -> str:
    return hashlib.sha256((out / "cat_landmarks.onnx").read_bytes()).hexdigest()


def progress(out: Path) -> dict[str, Any]:
    file = out.with_suffix(".progress")
    return json.loads(file.read_text("utf-8")) if file.exists() else {"state": "", "step": 0}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="module")
def once(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("once") / "out"
    done = ran(command(data, out))
    assert done.returncode == 0, done.stderr
    return out


def test_a_run_leaves_file_note_and_figures(once: Path) -> None:
    note = json.loads((once / "cat_landmarks.json").read_text("utf-8"))
    assert {metric["n"] > 0 for metric in note["metrics"]} == {True}
    assert sorted(file.name for file in once.iterdir()) == [
        "cat_landmarks.json",
        "cat_landmarks.onnx",
        "landmarks.run.json",
        "landmarks.weights.h5",
    ]


def test_the_last_word_of_its_progress(once: Path) -> None:
    told = progress(once)
    assert told["files"] == sorted(file.name for file in once.iterdir())
    assert (told["state"], told["stage"], told["stages"], told["step"], told["steps"]) == ("done", 1, 1, STEPS, STEPS)
    assert told["loss"] > 0 and told["pictures_per_s"] > 0 and told["eta_s"] == 0
    metrics = json.loads((once / "cat_landmarks.json").read_text("utf-8"))["metrics"]
    assert told["metrics"] == [{"model": "cat_landmarks"} | metric for metric in metrics]


def test_a_run_that_was_asked_to_stop_goes_on_to_the_same_bytes(data: Path, once: Path, tmp_path: Path) -> None:
    """And so the same run gives the same bytes, whoever draws its pictures: the rest of it has another number of them."""
    out = tmp_path / "out"
    with subprocess.Popen(command(data, out), cwd=ROOT, stderr=subprocess.PIPE, text=True) as run:
        ends = time.monotonic() + 600
        while not 2 <= progress(out)["step"] < STEPS and time.monotonic() < ends:
            assert run.poll() is None
            time.sleep(0.05)
        run.send_signal(signal.SIGTERM)
        _, said = run.communicate(timeout=300)
        assert run.returncode == 75, said
    assert [file.name for file in out.iterdir()] == ["landmarks.checkpoint"]
    rest = ran(command(data, out, "--resume", "--processes", "1"))
    assert rest.returncode == 0, rest.stderr
    assert digest(out) == digest(once)
    assert json.loads((out / "landmarks.run.json").read_text("utf-8"))["resumed"] == 1
    assert not (out / "landmarks.checkpoint").exists()


def test_what_fails_ends_with_its_code(tmp_path: Path) -> None:
    missing = ran(command(tmp_path / "nothing", tmp_path / "out"))
    line = "error: TRAINING_DATA_MISSING The folder of training data lacks a file that this recipe needs. (nothing)"
    assert (missing.returncode, missing.stderr.splitlines()[-1]) == (1, line)


def test_what_is_said_of_an_error() -> None:
    """What the user can mend is said in full, what is ours in one sentence."""
    assert told(InvalidField("--seed:\n x")).endswith("(--seed: x)")
    assert told(ValueError("ours alone")) == "error: TRAINING_FAILED The training broke off with an error of its own."


def test_a_wrong_command_line_is_told_in_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments().parse_args(["nonsense"])
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: INVALID_FIELD ")


def test_every_recipe_can_be_named() -> None:
    assert {"areas", "body", "detector", "landmarks", "matte", "validator"} <= set(RECIPES)
