"""Whose answer is the finding, and none where that one has none."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.contracts import RunState
from pipeline.stage import Need
from pipeline.stages.decide_finding import DecideFinding
from tests.unit.pipeline.items import OFF, SKIPPED, code, ended, item, need, plain, run

PICTURE = need({}, canonical=plain(0, 0, 0, (8, 8)))
SPARED = ended(RunState.SKIPPED, "NOT_NEEDED")
FAILED = ended(RunState.FAILED, "MODEL_OUTPUT_INVALID")
BAND = {"low": 0.2, "high": 0.8}


def says(chance: float) -> Need:
    return need({"probabilities": {"normal": 1 - chance, "cataract": chance}})


def decided(policy: str | Need, fast: Need, strong: Need, weights: tuple[float, float] = (0.5, 0.5)) -> Any:
    chosen = (
        need({"policy": policy, "band": BAND if policy == "cascade" else None}) if isinstance(policy, str) else policy
    )
    return run(
        DecideFinding(weights=weights),
        [item(decode_image=PICTURE, choose_path=chosen, classify_fast=fast, classify_strong=strong)],
    )[0]


@pytest.mark.row("S3.4")
@pytest.mark.parametrize(
    ("policy", "fast", "strong", "chance", "by", "path"),
    [
        ("fast", says(0.9), SPARED, 0.9, ["fast"], ["fast"]),
        ("strong", OFF, says(0.1), 0.1, ["strong"], ["strong"]),
        ("strong", says(0.9), says(0.1), 0.1, ["strong"], ["fast", "strong"]),
        ("strong", FAILED, says(0.1), 0.1, ["strong"], ["strong"]),
        ("cascade", says(0.9), SPARED, 0.9, ["fast"], ["fast"]),
        ("cascade", says(0.6), says(0.1), 0.1, ["strong"], ["fast", "strong"]),
        ("cascade", says(0.6), OFF, 0.6, ["fast"], ["fast"]),
        ("ensemble", says(0.9), says(0.4), 0.65, ["fast", "strong"], ["fast", "strong"]),
    ],
)
def test_the_policy_says_whose_answer_it_is(
    policy: str, fast: Need, strong: Need, chance: float, by: list[str], path: list[str]
) -> None:
    told = decided(policy, fast, strong).data
    assert told["probabilities"]["cataract"] == pytest.approx(chance)
    assert (list(told["decided_by"]), told["path"]) == (by, path)
    assert told["likeliest"] == ("cataract" if chance > 0.5 else "normal")


def test_what_was_saved_and_the_band_are_told() -> None:
    told = decided("cascade", says(0.95), SPARED).data
    assert (told["spared"], told["band"], told["answers"]["strong"]) == (["strong"], BAND, {"code": "NOT_NEEDED"})
    assert decided("cascade", says(0.5), says(0.9)).data["spared"] == []


@pytest.mark.row("S3.28")
def test_an_ensemble_weighs_as_it_is_told() -> None:
    told = decided("ensemble", says(1.0), says(0.0), (3, 1)).data
    assert told["probabilities"] == {"normal": 0.25, "cataract": 0.75}
    assert told["decided_by"] == {"fast": 0.75, "strong": 0.25}


@pytest.mark.parametrize(
    ("policy", "fast", "strong", "lacks"),
    [
        ("fast", FAILED, SPARED, "MODEL_OUTPUT_INVALID"),
        ("strong", says(0.9), FAILED, "MODEL_OUTPUT_INVALID"),
        ("cascade", says(0.6), FAILED, "MODEL_OUTPUT_INVALID"),
        ("ensemble", says(0.9), FAILED, "MODEL_OUTPUT_INVALID"),
        ("ensemble", FAILED, says(0.9), "MODEL_OUTPUT_INVALID"),
        ("strong", OFF, OFF, "SWITCHED_OFF"),
    ],
)
def test_another_s_answer_never_takes_the_place_of_a_missing_one(
    policy: str, fast: Need, strong: Need, lacks: str
) -> None:
    refused = decided(policy, fast, strong)
    assert code(refused) == "FINDING_UNDECIDED"
    assert refused.data["lacks"] == lacks and "label" not in refused.data


def test_where_nobody_chose_the_first_reason_is_told() -> None:
    nobody = ended(RunState.ABSTAINED, "FINDING_UNDECIDED", {"policy": "cascade", "lacks": "MODEL_UNAVAILABLE"})
    refused = decided(nobody, ended(RunState.FAILED, "MODEL_UNAVAILABLE"), SKIPPED)
    assert code(refused) == "FINDING_UNDECIDED"
    assert refused.data["lacks"] == "MODEL_UNAVAILABLE"


@pytest.mark.parametrize(
    ("chance", "label"), [(0.59, "uncertain"), (0.6, "cataract"), (0.41, "uncertain"), (0.4, "normal")]
)
def test_what_is_too_close_to_call_is_uncertain(chance: float, label: str) -> None:
    told = decided("fast", says(chance), SPARED).data
    assert told["label"] == label and told["needs_review"] is (label == "uncertain")


@pytest.mark.parametrize("weights", [(0.0, 0.0), (-1.0, 2.0)])
def test_weights_that_are_none_are_refused(weights: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        DecideFinding(weights=weights)
