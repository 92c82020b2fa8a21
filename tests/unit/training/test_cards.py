"""What a card says, also where something was not measured or not recorded."""

import re
from dataclasses import replace
from typing import Any

from training.cards import UNRECORDED, card, sliced
from training.entries.cat_face import VALIDATOR

RUN: dict[str, Any] = {
    "budget": "cpu", "scale": 1.0, "seed": 7, "minutes": 3.0, "machine": "2 CPU cores, no GPU", "with": "Keras 3",
    "stages": [{"size": 96, "steps": 10, "done": 8, "batch": 4, "rate": 0.001}],
}  # fmt: skip
METRIC = {"name": "cats accepted", "value": 0.8, "low": 0.7, "high": 0.9, "n": 40, "on": "test part"}
SECTIONS = ("What for, and what not", "How", "Scores on pictures it has not seen", "Slices", "Calibration",
            "Right and wrong", "Known weaknesses", "Data and terms", "Made with")  # fmt: skip


def test_a_note_of_today_s_training_has_every_section_and_says_what_was_not_measured() -> None:
    text = card(VALIDATOR, {"metrics": [METRIC], "run": RUN})
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == list(SECTIONS)
    assert text.count("Not measured") == 2
    assert "Not counted." in text
    assert "| cats accepted | 0.800 | 0.700 to 0.900 | 40 | test part |" in text
    assert "8 steps (of 10 planned: as many as fitted into the time) of 4 pictures at 96 px" in text


def test_the_commit_and_the_command_are_those_of_the_run() -> None:
    text = card(
        VALIDATOR, {"metrics": [METRIC], "run": RUN | {"commit": "abc1234", "command": "python -m training.run x"}}
    )
    assert "Commit: `abc1234`." in text
    assert "\npython -m training.run x\n" in text
    assert "--teacher" not in text


def test_what_was_not_recorded_is_not_made_up() -> None:
    assert f"Commit: {UNRECORDED}." in card(VALIDATOR, {"metrics": [METRIC], "run": RUN})
    later = card(VALIDATOR, {"metrics": [METRIC], "run": RUN | {"came_with": "def5678"}})
    assert f"Commit: {UNRECORDED}; the file came into the repository with `def5678`." in later


def test_a_slice_that_is_too_small_has_no_figure() -> None:
    whole = {"figure": "f", "by": "", "slice": "", "n": 90, "value": 0.5, "low": 0.4, "high": 0.6, "beside": ""}
    few = {"figure": "f", "by": "fur", "slice": "dark", "n": 3, "value": None, "low": None, "high": None, "beside": ""}
    lines = sliced({"slices": [whole, few]})
    assert "| the whole |  | 0.500 | 0.400 to 0.600 | 90 |  |" in lines
    assert "| fur | dark | | too few | 3 | |" in lines
    assert lines[-1].startswith("- fur: median colour")


def test_other_systems_bring_their_own_terms_and_files() -> None:
    other = replace(
        VALIDATOR,
        trained_on=("skins",),
        scored_on=(),
        terms={"skins": "CC0"},
        also_files=("same.tflite",),
        split="by person.",
    )
    text = card(
        other, {"metrics": [METRIC], "run": RUN, "sizes": {"skins": {"train": 5, "validation": 2, "test": 1200}}}
    )
    assert "| skins | CC0 | 5 | 2 | 1,200 |" in text
    assert "Split: by person." in text
    assert "Beside it lies the same network as `same.tflite`." in text
