"""What a training says of itself is held to what a row can take; what is not well-formed is left out, never made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.training import progress
from tasks.training.process import options


def test_a_whole_progress_comes_through() -> None:
    said = {
        "state": "training", "stage": 1, "stages": 2, "step": 3, "steps": 9, "loss": 0.25, "pictures_per_s": 100,
        "eta_s": 0, "metrics": [{"name": "AP", "value": 0.5, "low": 0.4, "high": 0.6, "n": 3, "on": "test"}],
        "files": ["a.onnx", "b.json"], "then": "scanmill models add OUT/a.onnx --note OUT/b.json",
    }  # fmt: skip
    assert progress.cleaned(said) == said


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"state": "dancing"}, {}),
        ({"state": ["training"]}, {}),
        ({"step": -1, "steps": 1.5, "stage": True, "stages": "2"}, {}),
        ({"loss": float("nan"), "eta_s": float("inf"), "pictures_per_s": None}, {}),
        ({"secret": 1, "step": 2}, {"step": 2}),
        ({"files": ["../x", "a/b", "", ".", "..", 3, "ok"]}, {"files": ["ok"]}),
        ({"files": "abc", "metrics": {"a": 1}}, {}),
        ({"metrics": [{"name": "x" * 999, "value": float("nan"), "deep": {"a": 1}, "n": 2}, 5]},
         {"metrics": [{"name": "x" * progress.LONGEST, "n": 2}]}),
        ({"then": ["a command"]}, {}),
        ({"then": "x" * 9_999}, {"then": "x" * progress.LONGEST_THEN}),
        ({"metrics": [{"n": 1}] * 999}, {"metrics": [{"n": 1}] * progress.MOST_METRICS}),
    ],
)  # fmt: skip
def test_what_is_not_well_formed_is_left_out(said: dict[str, Any], kept: dict[str, Any]) -> None:
    assert progress.cleaned(said) == kept


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"step": 1', "\udcff"])
def test_a_file_that_cannot_be_read_says_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "progress.json"
    assert progress.read(file) == {}
    file.write_bytes(text.encode(errors="surrogateescape"))
    assert progress.read(file) == {}


def test_what_json_allows_and_a_row_does_not_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "progress.json"
    file.write_text('{"loss": NaN, "step": 1}')
    assert json.dumps(progress.read(file), allow_nan=False) == '{"step": 1}'


def test_parameters_become_options() -> None:
    given = {"teacher": Path("/t"), "seed": 0, "scale": 0.5, "again": False, "train_only": True, "after": "x"}
    assert options(given, Path("/d"), Path("/o")) == [
        *("--data", "/d", "--out", "/o", "--teacher", "/t", "--scale", "0.5", "--seed", "0", "--train-only"),
    ]
    assert options({}, Path("/d"), Path("/o")) == ["--data", "/d", "--out", "/o"]
