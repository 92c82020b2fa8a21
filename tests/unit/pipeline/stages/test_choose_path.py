"""When the strong model is asked: four policies, the ends of the band, and a fast model without an answer."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.contracts import RunState
from pipeline.stage import Need
from pipeline.stages.choose_path import ChoosePath, Policy
from tests.unit.pipeline.items import OFF, code, ended, item, need, plain, run

PICTURE = need({}, canonical=plain(0, 0, 0, (8, 8)))
FAILED = ended(RunState.FAILED, "MODEL_UNAVAILABLE")


def fast(chance: float) -> Need:
    return need({"probabilities": {"normal": 1 - chance, "cataract": chance}})


def chosen(policy: Policy, answer: Need) -> Any:
    stage = ChoosePath(policy=policy, label="cataract", low=0.2, high=0.7)
    return run(stage, [item(decode_image=PICTURE, classify_fast=answer)])[0]


@pytest.mark.row("S3.4")
@pytest.mark.parametrize(
    ("chance", "ask"),
    [(0.0, False), (0.199999, False), (0.2, True), (0.5, True), (0.7, True), (0.700001, False), (1.0, False)],
)
def test_the_cascade_asks_inside_the_band_ends_included(chance: float, ask: bool) -> None:
    told = chosen("cascade", fast(chance)).data
    assert told == {"policy": "cascade", "ask": ask, "band": {"low": 0.2, "high": 0.7}, "probability": chance}


@pytest.mark.row("S3.28")
@pytest.mark.parametrize(("policy", "ask"), [("fast", False), ("strong", True), ("ensemble", True)])
@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_the_others_ask_always_or_never(policy: Policy, ask: bool, chance: float) -> None:
    assert chosen(policy, fast(chance)).data == {
        "policy": policy, "ask": ask, "band": None, "probability": chance,
    }  # fmt: skip


@pytest.mark.parametrize("policy", ["fast", "cascade", "ensemble"])
def test_without_the_fast_answer_nothing_is_chosen_and_the_reason_is_told(policy: Policy) -> None:
    refused = chosen(policy, FAILED)
    assert code(refused) == "FINDING_UNDECIDED"
    assert refused.data == {"policy": policy, "lacks": "MODEL_UNAVAILABLE"}


def test_the_strong_policy_needs_no_fast_answer() -> None:
    assert chosen("strong", FAILED).data["ask"] is True


@pytest.mark.parametrize("policy", ["fast", "cascade", "ensemble", "strong"])
def test_a_scan_that_switched_the_fast_model_off_is_the_strong_one_s(policy: Policy) -> None:
    told = chosen(policy, OFF).data
    assert (told["policy"], told["ask"], told["probability"]) == ("strong", True, None)


@pytest.mark.parametrize(("low", "high"), [(0.7, 0.2), (-0.1, 0.5), (0.5, 1.1)])
def test_a_band_that_is_none_is_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="band"):
        ChoosePath(label="cataract", low=low, high=high)
