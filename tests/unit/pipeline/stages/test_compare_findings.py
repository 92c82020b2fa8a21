"""Two networks, one question: both answers, whether they disagree, and never a no made of nothing."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from pipeline.contracts import RunState
from pipeline.stage import Need
from pipeline.stages.compare_findings import CompareFindings
from tests.unit.pipeline.items import ended, item, need, run

ACNE = need({"label": "acne", "needs_review": False})
NONE = need({"label": "no_acne", "needs_review": False})
ROSACEA = need({"label": "rosacea", "needs_review": False})
UNSURE = need({"label": "uncertain", "needs_review": True})
MISSING = ended(RunState.FAILED, "MODEL_UNAVAILABLE")


def compared(binary: Need, condition: Need, rule: Literal["none", "any", "all"] = "none") -> Any:
    stage = CompareFindings(asked="acne", readers=("classify_acne", "classify_condition"), rule=rule)
    return run(stage, [item(classify_acne=binary, classify_condition=condition)])[0].data


@pytest.mark.parametrize(
    ("binary", "condition", "disagreement"),
    [
        (ACNE, ACNE, False),
        (ACNE, ROSACEA, True),
        (NONE, ACNE, True),
        (NONE, ROSACEA, False),
        (ACNE, UNSURE, None),
        (MISSING, ACNE, None),
        (MISSING, MISSING, None),
    ],
)
def test_whether_they_disagree(binary: Need, condition: Need, disagreement: bool | None) -> None:
    assert compared(binary, condition)["disagreement"] is disagreement


def test_both_answers_are_told_as_they_are() -> None:
    assert compared(ACNE, ROSACEA)["answers"] == {
        "classify_acne": {"says": True, "label": "acne"},
        "classify_condition": {"says": False, "label": "rosacea"},
    }


def test_a_missing_network_is_a_code_and_never_a_no() -> None:
    answers = compared(MISSING, UNSURE)["answers"]
    assert answers["classify_acne"] == {"says": None, "code": "MODEL_UNAVAILABLE"}
    assert answers["classify_condition"] == {"says": None, "label": "uncertain"}


@pytest.mark.parametrize(
    ("rule", "binary", "condition", "verdict"),
    [
        ("none", ACNE, ACNE, None),
        ("any", NONE, ACNE, True),
        ("any", NONE, ROSACEA, False),
        ("any", MISSING, ACNE, True),
        ("any", MISSING, ROSACEA, None),
        ("all", ACNE, ACNE, True),
        ("all", ACNE, ROSACEA, False),
        ("all", MISSING, ROSACEA, False),
        ("all", MISSING, ACNE, None),
        ("all", UNSURE, ACNE, None),
    ],
)
def test_the_rule_makes_a_verdict_only_when_nothing_could_change_it(
    rule: Literal["none", "any", "all"], binary: Need, condition: Need, verdict: bool | None
) -> None:
    assert compared(binary, condition, rule)["verdict"] is verdict


def test_the_readers_are_optional_so_that_it_always_runs() -> None:
    stage = CompareFindings(asked="acne", readers=("a", "b"))
    assert stage.optional == ("a", "b") and stage.needs == ()
