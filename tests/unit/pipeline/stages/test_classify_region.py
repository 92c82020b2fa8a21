from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.contracts import RunState
from pipeline.models.classifier import ClassifierModel
from pipeline.models.explanation import Explanation
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
        assert len(data["cam"]) == len(data["cam"][0]) == 7
        assert data["cam_method"] == "Grad-CAM, logit difference at top_activation, closed form", "the manifest's words"
        assert data["deletion"] is None, "not measured unless asked for"
    assert (normal["cam_for"], abnormal["cam_for"]) == ("normal", "abnormal")
    assert normal["cam"][3][3] == abnormal["cam"][3][3] == 1
    assert normal["cam_peak"] == pytest.approx(250 / 255, abs=1e-4)


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


def mixed(low: float = 0.0) -> Any:
    """Green, red in the upper left quarter: what speaks for abnormal is there and nowhere else."""
    crop = plain(0, 80, 0, (224, 224))
    crop[:112, :112] = (250, low, 0)
    return crop


def test_deletion_says_what_the_hottest_part_is_worth(tiny_room: ModelRoom) -> None:
    asked = ClassifyRegion(region="left_eye", model="cat_left_eye", deletion_share=0.25)
    crop = plain(0, 0, 0, (224, 224))
    crop[:112, :112] = (250, 0, 0)
    found, plain_one, outside = run(asked, [given(crop), given(SICK), OUTSIDE], tiny_room)
    assert found.data["deletion"]["share"] == 0.25 and found.data["deletion"]["loss"] > 0.1
    assert plain_one.data["deletion"] is None, "a flat map has no hottest part"
    assert code(outside) == "REGION_OUTSIDE_IMAGE"
    without = run(STAGE, [given(crop)], tiny_room)[0].data
    assert {**found.data, "deletion": None} == without, "the finding and its map are the same"


def test_a_map_that_looks_away_from_what_decides_is_found_out(tiny_room: ModelRoom) -> None:
    """A planted corner: the map points there, the answer comes from elsewhere."""
    real = tiny_room.load("cat_left_eye")
    crop = plain(0, 0, 0, (224, 224))
    crop[:112, :112] = (250, 0, 0)

    class Planted(ClassifierModel):
        def _pass(self, batch: Any) -> dict[str, Any]:
            return {**super()._pass(batch), "cam": np.eye(7)[None, ::-1] * (np.arange(7) > 5)}

    honest, planted = real, Planted(real.entry, real.session)
    losses = [model.deletion([crop], model.predict([crop]), 0.02)[0] for model in (honest, planted)]
    assert losses[0] > 0 >= losses[1]


def test_a_saturated_probability_has_no_map_and_the_logits_have(tiny_room: ModelRoom) -> None:
    real = tiny_room.load("cat_left_eye")
    for form, blank in (("probability", True), ("logit_difference", False)):
        entry = replace(real.entry, temperature=1e-3, explanation=Explanation(form=form))
        model = ClassifierModel(entry, real.session)
        data = STAGE.run([given(mixed())], {"cat_left_eye": model})[0].data
        assert data["confidence"] == 1.0
        assert (data["cam_peak"] == 0) is blank and np.isfinite(data["cam"]).all()


def test_a_finding_stands_when_its_map_is_not_finite(tiny_room: ModelRoom) -> None:
    real = tiny_room.load("cat_left_eye")

    class Broken(ClassifierModel):
        def _pass(self, batch: Any) -> dict[str, Any]:
            return {**super()._pass(batch), "cam": np.full((1, 7, 7), np.inf)}

    data = STAGE.run([given(SICK)], {"cat_left_eye": Broken(real.entry, real.session)})[0].data
    assert data["label"] == "abnormal" and data["cam"] is None and data["cam_peak"] is None
    assert data["cam_method"] is not None, "there was one, and it was bad"


WHOLE = ClassifyRegion(needs=("decode_image", "choose_path"), region="eye", model="cat_left_eye")


def whole(picture: Any, *, ask: bool) -> StageInput:
    return item(decode_image=need({}, canonical=picture), choose_path=need({"ask": ask}))


def test_without_crops_the_whole_picture_is_asked_about(tiny_room: ModelRoom) -> None:
    [told] = run(WHOLE, [whole(SICK, ask=True)], tiny_room)
    [cropped] = run(STAGE, [given(SICK)], tiny_room)
    assert told.data == cropped.data | {"region": "eye"}


def test_a_need_that_does_not_ask_spares_the_model_and_its_neighbours_are_answered(tiny_room: ModelRoom) -> None:
    answers = run(WHOLE, [whole(SICK, ask=False), whole(SICK, ask=True), whole(HEALTHY, ask=False)], tiny_room)
    assert [code(answer) for answer in answers] == ["NOT_NEEDED", "ok", "NOT_NEEDED"]
    assert answers[0].outcome is RunState.SKIPPED
