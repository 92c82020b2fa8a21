"""How a training is shown: what is known of it, and nothing that is not."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from cli import output, training_view

WHOLE = {
    "state": "training", "stage": 1, "stages": 2, "step": 30, "steps": 200, "loss": 0.51234, "pictures_per_s": 99.6,
    "eta_s": 600,
}  # fmt: skip


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    monkeypatch.setattr(output, "console", Console(file=text, width=200))
    return text


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        ({}, ""),
        (WHOLE, "stage 1 of 2, step 30 of 200, loss 0.5123, 100 pictures/s, about 10 min left"),
        ({"step": 0, "steps": 9, "stages": 1, "stage": 1}, "step 0 of 9"),
        ({"eta_s": 89}, "about 89 s left"),
        ({"eta_s": 6 * 3600}, "about 6.0 h left"),
        ({"eta_s": 0, "loss": None}, ""),
    ],
)
def test_what_is_known_is_told(progress: dict[str, Any], words: str) -> None:
    assert training_view.told(progress) == words


def test_without_a_terminal_a_line_stands_for_each_change(screen: io.StringIO) -> None:
    with training_view.watching("areas", as_json=False) as show:
        for _ in range(5):
            show("queued", {})
        show("training", WHOLE)
        show("training", {**WHOLE, "step": 31})
    assert [line.split(" loss")[0] for line in screen.getvalue().splitlines()] == [
        "areas: queued",
        "areas: training stage 1 of 2, step 30 of 200,",
    ]


def test_with_json_nothing_is_shown(screen: io.StringIO) -> None:
    with training_view.watching("areas", as_json=True) as show:
        show("training", WHOLE)
    assert screen.getvalue() == ""


def test_the_end_names_scores_files_and_what_to_do_next(screen: io.StringIO) -> None:
    training_view.summary(
        {
            "id": "0190", "recipe": "landmarks", "state": "succeeded", "code": None, "detail": None,
            "progress": {"metrics": [{"name": "AP", "value": 0.5, "low": 0.4, "high": 0.61, "n": 7, "on": "test part"}]},
            "files": [{"name": "a.onnx", "size": 12_345}],
            "versions": [{"name": "cat_landmarks", "version": "1+0190", "digest": "a" * 64}],
        }
    )  # fmt: skip
    text = screen.getvalue()
    for words in ("succeeded", "AP", "0.400 to 0.610", "12,345 bytes", "scanmill models promote cat_landmarks 1+0190"):
        assert words in text


def test_a_failure_says_why(screen: io.StringIO) -> None:
    training_view.summary(
        {"recipe": "areas", "state": "failed", "code": "TRAINING_FAILED", "detail": None, "progress": WHOLE}
    )
    assert "failed TRAINING_FAILED" in screen.getvalue() and "step 30 of 200" in screen.getvalue()
