"""The report always comes, says who answered, and scores nothing that was not answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.contracts import RunState
from pipeline.stage import Need
from pipeline.stages.build_report import BuildReport, health_score
from tests.unit.pipeline.items import OFF, SKIPPED, ended, item, need, run

REGIONS = ("left_eye", "right_eye", "mouth")
STAGE = BuildReport(system="cat_face", regions=REGIONS)
MODEL = {"name": "cat_mouth", "version": "3", "digest": "d" * 64, "pack": "starter", "runtime": "onnx"}
OUTSIDE = ended(RunState.ABSTAINED, "REGION_OUTSIDE_IMAGE", {"region": "mouth"})


def finding(normal: float, **model: Any) -> Need:
    label = "normal" if normal >= 0.5 else "abnormal"
    data = {
        "region": "x", "label": label, "confidence": max(normal, 1 - normal), "needs_review": False, "threshold": 0.6,
        "probabilities": {"normal": normal, "abnormal": 1 - normal}, "cam": [[1.0]], "cam_for": "abnormal",
    }  # fmt: skip
    ok = need(data)
    return Need(
        ok.outcome, None, data, {"stage_version": 4, "models": {"cat_mouth": {**MODEL, **model}}}, (), *[ok.picture] * 2
    )


def needs(**changed: Need) -> dict[str, Need]:
    box = {"x": 0, "y": 0, "width": 80, "height": 80}
    face = {"box": box, "confidence": 0.9, "detected_on": "cutout", "candidates": [{}]}
    return {
        "decode_image": need({"width": 10, "height": 20}),
        "validate_subject": need({"subject": "cat", "label": "cat", "probability": 0.9}),
        "remove_background": need({"coverage": 0.4}),
        "detect_face": need(face),
        "detect_landmarks": need({"points": {}, "crop_points": {}, "confidence": 0.8}),
        "crop_regions": need({"regions": {region: {"box": box, "inside": True} for region in REGIONS}}),
        **{f"classify_{region}": finding(0.9) for region in REGIONS},
        "explain_findings": need({"heatmaps": {}}),
        **changed,
    }


def heated(**marks: Any) -> dict[str, Need]:
    """A heat map with these marks, good ones else."""
    quality = {"finite": True, "flat": False, "inside": 0.9, "deletion": None, **marks}
    return {"explain_findings": need({"heatmaps": {"mouth": {"quality": quality}}})}


def report(**changed: Need) -> dict[str, Any]:
    return dict(run(STAGE, [item(**needs(**changed))])[0].data["report"])


def codes(told: dict[str, Any]) -> list[str]:
    return [warning["code"] for warning in told["warnings"]]


def test_everything_found() -> None:
    told = report()
    assert told["pipeline"] == {"system": "cat_face"}
    assert told["image"] == {"width": 10, "height": 20}
    assert told["subject"]["probability"] == 0.9
    assert told["face"]["detected_on"] == "cutout"
    assert told["findings"]["mouth"]["label"] == "normal"
    assert "cam" not in told["findings"]["mouth"], "the map is in the stage's result and in the picture"
    assert told["health_score"] == 90.0
    assert told["warnings"] == []


def test_each_stage_says_how_it_ended_and_who_answered() -> None:
    stages = report(remove_background=OFF, classify_mouth=OUTSIDE)["stages"]
    assert stages["classify_left_eye"] == {"outcome": "ok", "code": None, "version": 4, "models": {"cat_mouth": MODEL}}
    assert stages["remove_background"] == {"outcome": "skipped", "code": "SWITCHED_OFF", "version": None, "models": {}}
    assert stages["classify_mouth"]["detail"] == {"region": "mouth"}


def test_a_region_without_an_answer_says_why_and_is_not_scored() -> None:
    told = report(classify_mouth=OUTSIDE)
    assert told["findings"]["mouth"] == {"outcome": "abstained", "code": "REGION_OUTSIDE_IMAGE"}
    assert {"code": "REGION_NOT_ANSWERED", "region": "mouth", "reason": "REGION_OUTSIDE_IMAGE"} in told["warnings"]
    assert told["health_score"] is None, "two of three are too few"
    assert told["health_score_formula"]["inputs"] == {"left_eye": 0.9, "right_eye": 0.9}


def test_a_rejected_picture_has_a_report_with_nothing_made_up() -> None:
    told_subject = {"subject": "cat", "label": "not_cat", "probability": 0.2}
    rejected = ended(RunState.REJECTED, "NOT_A_CAT", told_subject)
    names = ("remove_background", "detect_face", "detect_landmarks", "crop_regions", "explain_findings")
    told = report(
        validate_subject=rejected,
        **dict.fromkeys((*names, *(f"classify_{region}" for region in REGIONS)), SKIPPED),
    )
    assert told["subject"] == told_subject, "the verdict says how sure it is"
    assert told["face"] is None and told["landmarks"] is None and told["background"] is None
    assert all(found == {"outcome": "skipped", "code": "UPSTREAM_NOT_OK"} for found in told["findings"].values())
    assert told["health_score"] is None and told["heatmaps"] == {}
    assert told["stages"]["validate_subject"]["code"] == "NOT_A_CAT"


def test_no_face_leaves_no_face_in_the_report() -> None:
    none = ended(RunState.REJECTED, "NO_FACE_DETECTED", {"threshold": 0.5, "candidates": []})
    told = report(detect_face=none)
    assert told["face"] is None
    assert told["stages"]["detect_face"]["detail"] == {"threshold": 0.5, "candidates": []}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"detect_face": need({"detected_on": "original", "candidates": [{}]})}, "FACE_HIDDEN_BY_CUTOUT"),
        ({"detect_face": need({"detected_on": "cutout", "candidates": [{}, {}]})}, "SEVERAL_FACES"),
        (heated(flat=True, inside=None), "HEATMAP_FLAT"),
        (heated(inside=0.49), "HEATMAP_BESIDE_PICTURE"),
        (heated(deletion=0.0), "HEATMAP_NOT_DECISIVE"),
        (
            {"crop_regions": need({"regions": {r: {"box": {"width": 55}, "inside": True} for r in REGIONS}})},
            "REGION_COARSE",
        ),
        ({"classify_mouth": finding(0.9, mock=True)}, "MOCK_MODEL"),
    ],
)
def test_warnings(changed: dict[str, Need], code: str) -> None:
    assert code in codes(report(**changed))
    assert code not in codes(report(**heated(deletion=0.2)))


@pytest.mark.parametrize(("heat", "codes_said"), [(0.7, []), (0.72, ["HEATMAP_BESIDE_SKIN"])])
def test_heat_that_is_on_skin_less_than_chance_has_it_be(heat: float, codes_said: list[str]) -> None:
    told = need({"findings": {"mouth": {"elsewhere": {"share": heat, "area": 0.71}}}})
    assert [code for code in codes(report(explain_regions=told)) if code.startswith("HEATMAP")] == codes_said


@pytest.mark.parametrize(
    ("left", "right", "reason"),
    [
        ({"ita": 30.0}, {"ita": 40.0}, None),
        ({"ita": 30.0}, {"ita": 40.1}, "cheeks differ"),
        ({"ita": -65.1}, {"ita": -60.0}, "no angle of skin"),
        ({"code": "REGION_TURNED_AWAY"}, {"ita": 75.1}, "no angle of skin"),
        ({"code": "REGION_TURNED_AWAY"}, {"ita": 75.0}, None),
        ({"code": "REGION_TURNED_AWAY"}, {"code": "SKIN_NOT_MEASURABLE"}, None),
    ],
)
def test_a_tone_that_is_the_light_s_is_doubted(left: dict[str, Any], right: dict[str, Any], reason: str | None) -> None:
    stage = BuildReport(system="skincare", regions=(), sections={"skin": "measure_skin"}, optional=("measure_skin",))
    measured = need({"skin_tone": {"regions": {"left_cheek": left, "right_cheek": right}, "overall": None}})
    told = run(stage, [item(measure_skin=measured)])[0].data["report"]["warnings"]
    assert told == ([] if reason is None else [{"code": "SKIN_TONE_DOUBTFUL", "reason": reason}])


def test_a_face_on_the_original_is_no_surprise_without_a_cutout() -> None:
    face = need({"detected_on": "original", "candidates": [{}]})
    assert codes(report(detect_face=face, remove_background=OFF)) == []
    without = {name: one for name, one in needs(detect_face=face).items() if name != "remove_background"}
    assert run(STAGE, [item(**without)])[0].data["report"]["warnings"] == []


def test_artifacts_are_named_once_and_sorted() -> None:
    from numpy import zeros

    named = report(remove_background=need({"coverage": 0.4}, cutout=zeros(1)), detect_face=need(
        {"detected_on": "cutout", "candidates": [{}]}, face=zeros(1), another=zeros(1)))  # fmt: skip
    assert named["artifacts"] == ["another", "cutout", "face"]


def test_the_report_is_the_same_whatever_the_order_of_its_needs() -> None:
    first = run(STAGE, [item(**needs())])[0].data
    second = run(STAGE, [item(**dict(reversed(needs().items())))])[0].data
    assert json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


def test_a_system_without_some_stages_has_a_report_too() -> None:
    few = {name: need_ for name, need_ in needs().items() if name in ("decode_image", "classify_mouth")}
    told = run(BuildReport(system="cat_face", regions=("mouth",), least=1), [item(**few)])[0].data["report"]
    assert told["health_score"] == 90.0 and "face" not in told


def test_a_system_may_name_its_own_parts_and_questions() -> None:
    stage = BuildReport(
        system="skincare",
        regions=("acne",),
        sections={"face": "detect_human_face", "agreement": "compare_findings"},
        optional=("detect_human_face", "compare_findings", "classify_acne"),
    )
    finding = {"label": "acne", "confidence": 0.9, "needs_review": False, "threshold": 0.6}
    found = {
        "detect_human_face": need({"confidence": 0.9, "candidates": [{}, {}]}),
        "classify_acne": need({**finding, "probabilities": {"acne": 0.9, "no_acne": 0.1}}),
        "compare_findings": need({"disagreement": True}),
    }
    told = run(stage, [item(**found)])[0].data["report"]
    assert told["face"]["confidence"] == 0.9 and told["agreement"] == {"disagreement": True}
    assert "subject" not in told and told["findings"]["acne"]["label"] == "acne"
    assert told["health_score"] is None, "none of its labels is the healthy one"
    assert codes(told) == ["SEVERAL_FACES", "FINDINGS_DISAGREE"]
    for agreed in (False, None):
        assert codes(
            run(stage, [item(**found | {"compare_findings": need({"disagreement": agreed})})])[0].data["report"]
        ) == ["SEVERAL_FACES"]


@pytest.mark.parametrize(
    ("healthy", "least", "score"),
    [
        ({"a": 1.0, "b": 1.0, "c": 1.0}, 3, 100.0),
        ({"a": 0.92, "b": 0.22, "c": 0.88, "d": 0.85, "e": 0.91}, 3, 75.6),  # the seed's own sample
        ({"a": 0.0, "b": 0.0, "c": 0.0}, 3, 0.0),
        ({"a": 1.0, "b": 1.0}, 3, None),
        ({}, 0, None),
    ],
)
def test_health_score_formula_1(healthy: dict[str, float], least: int, score: float | None) -> None:
    assert health_score(healthy, least) == score


@pytest.mark.parametrize(("code", "warned"), [("PUPIL_UNCLEAR", ["PUPIL_UNCLEAR"]), (None, [])])
def test_an_unclear_pupil_is_a_warning(code: str | None, warned: list[str]) -> None:
    stage = BuildReport(system="cataract", regions=(), optional=("find_pupil",), sections={"pupil": "find_pupil"})
    told = run(stage, [item(find_pupil=need({"pupil": None, "code": code}))])[0].data["report"]
    assert [warning["code"] for warning in told["warnings"]] == warned
