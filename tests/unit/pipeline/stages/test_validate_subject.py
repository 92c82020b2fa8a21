from __future__ import annotations

import numpy as np
import pytest

from pipeline.contracts import RunState
from pipeline.errors import ModelUnavailable
from pipeline.models.room import ModelRoom
from pipeline.stages.validate_subject import ValidateSubject
from tests.unit.pipeline.items import canonical, code, item, plain, run

STAGE = ValidateSubject(model="cat_validator", subject="cat")
CAT, DOG = plain(220, 10, 10), plain(10, 220, 10)


def test_a_cat_passes_with_its_probability_and_breed(tiny_room: ModelRoom) -> None:
    data = run(STAGE, [item(decode_image=canonical(CAT))], tiny_room)[0].data
    assert data["subject"] == data["label"] == "cat"
    assert data["probability"] > 0.95 and data["threshold"] == 0.7
    assert data["breed"]["label"] == "red" and data["breed"]["probability"] > 0.9


def test_another_animal_is_rejected_and_the_verdict_says_how_sure(tiny_room: ModelRoom) -> None:
    verdict = run(STAGE, [item(decode_image=canonical(DOG))], tiny_room)[0]
    assert (verdict.code, verdict.outcome) == ("NOT_A_CAT", RunState.REJECTED)
    assert verdict.data["label"] == "not_cat" and verdict.data["probability"] < 0.05
    assert verdict.data["breed"] is None, "what is no cat has no breed"


def test_the_stage_s_threshold_wins_and_equality_passes(tiny_room: ModelRoom) -> None:
    probability = run(STAGE, [item(decode_image=canonical(CAT))], tiny_room)[0]
    model = tiny_room.load("cat_validator")
    exact = model.predict([CAT])[0].probabilities["cat"]
    assert probability.data["probability"] == pytest.approx(exact, abs=1e-6)
    for threshold, expected in ((exact, "ok"), (np.nextafter(exact, 1), "NOT_A_CAT"), (0.0, "ok")):
        stage = ValidateSubject(model="cat_validator", subject="cat", threshold=float(threshold))
        assert code(run(stage, [item(decode_image=canonical(CAT))], tiny_room)[0]) == expected


def test_each_picture_gets_its_own_answer(tiny_room: ModelRoom) -> None:
    pictures = [CAT, DOG, plain(200, 20, 20, (50, 90)), plain(0, 0, 250, (40, 40))]
    items = [item(decode_image=canonical(picture)) for picture in pictures]
    together = run(STAGE, items, tiny_room)
    assert [code(answer) for answer in together] == ["ok", "NOT_A_CAT", "ok", "NOT_A_CAT"]
    assert [answer.data for answer in together] == [run(STAGE, [one], tiny_room)[0].data for one in items]


def test_a_subject_that_the_model_does_not_know_is_our_fault_not_the_picture_s(tiny_room: ModelRoom) -> None:
    stage = ValidateSubject(model="cat_validator", subject="dog")
    assert isinstance(run(stage, [item(decode_image=canonical(CAT))], tiny_room)[0], ModelUnavailable)
