from __future__ import annotations

from typing import Any

import pytest

from pipeline.contracts import RunState
from pipeline.models.room import ModelRoom
from pipeline.stage import StageInput
from pipeline.stages.classify_region import ClassifyRegion
from tests.unit.pipeline.items import code, item, need, plain, run

STAGE = ClassifyRegion(name="classify_left_eye", region="left_eye", model="cat_left_eye")
HEALTHY, SICK, GREY = (plain(*colour, (224, 224)) for colour in ((0, 250, 0), (250, 0, 0), (90, 90, 90)))


def given(crop: Any, scale: float = 0.9) -> StageInput:
    inside = {"inside": True, "scale": scale}
    return item(crop_regions=need({"regions": {"left_eye": inside}}, crop_left_eye=crop))


OUTSIDE = item(crop_regions=need({"regions": {"left_eye": {"inside": False, "scale": 0.9, "code": "X"}}}))


def test_normal_abnormal_and_too_close_to_call(tiny_room: ModelRoom) -> None:
    normal, abnormal, unsure = (
        answer.data for answer in run(STAGE, [given(c) for c in (HEALTHY, SICK, GREY)], tiny_room)
    )
    assert (normal["label"], abnormal["label"], unsure["label"]) == ("normal", "abnormal", "uncertain")
    assert [data["needs_review"] for data in (normal, abnormal, unsure)] == [False, False, True]
    for data in (normal, abnormal, unsure):
        assert data["region"] == "left_eye" and data["threshold"] == 0.6
        assert data["confidence"] == max(data["probabilities"].values())
        assert sum(data["probabilities"].values()) == pytest.approx(1)
        assert len(data["cam"]) == len(data["cam"][0]) == 7 and data["cam_for"] == "abnormal"
    assert normal["cam"][3][3] < 0 < abnormal["cam"][3][3]


def test_the_threshold_is_reached_not_passed(tiny_room: ModelRoom) -> None:
    exact = max(tiny_room.load("cat_left_eye").predict([HEALTHY])[0].probabilities.values())
    for threshold, label in ((exact, "normal"), (exact + 1e-9, "uncertain")):
        stage = ClassifyRegion(region="left_eye", model="cat_left_eye", threshold=threshold)
        assert run(stage, [given(HEALTHY)], tiny_room)[0].data["label"] == label


def test_a_region_outside_abstains_and_its_neighbours_are_answered(tiny_room: ModelRoom) -> None:
    answers = run(STAGE, [OUTSIDE, given(SICK), OUTSIDE, given(HEALTHY)], tiny_room)
    assert [code(answer) for answer in answers] == ["REGION_OUTSIDE_IMAGE", "ok", "REGION_OUTSIDE_IMAGE", "ok"]
    assert answers[0].outcome is RunState.ABSTAINED
    assert [answers[i].data["label"] for i in (1, 3)] == ["abnormal", "normal"]


def test_nobody_inside_is_no_forward_pass(tiny_room: ModelRoom) -> None:
    assert [code(answer) for answer in run(STAGE, [OUTSIDE], tiny_room)] == ["REGION_OUTSIDE_IMAGE"]


def test_crops_of_another_size_than_it_was_trained_on_are_not_judged(tiny_room: ModelRoom) -> None:
    assert code(run(STAGE, [given(HEALTHY, scale=1.4)], tiny_room)[0]) == "MODEL_UNAVAILABLE"


def test_neighbours_change_nothing(tiny_room: ModelRoom) -> None:
    items = [given(crop) for crop in (HEALTHY, SICK, GREY, HEALTHY)]
    together = [answer.data for answer in run(STAGE, items, tiny_room)]
    assert together == [run(STAGE, [one], tiny_room)[0].data for one in items]
