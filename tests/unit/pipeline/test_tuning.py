"""Thresholds, switches and ages of reuse: from the environment into the pipeline version, and nowhere else."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pipeline.contracts import System
from pipeline.definition import Pipeline, version_of
from pipeline.systems import PIPELINES
from pipeline.tuning import CatFaceSettings, tuned

CAT_FACE = PIPELINES[System.CAT_FACE]


def cats() -> Pipeline:
    [found] = tuned([CAT_FACE])
    return found


def test_thermal_thresholds_and_bands_reach_its_stage_and_only_sound_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANMILL_THERMAL_THRESHOLD", "0.4")
    monkeypatch.setenv("SCANMILL_THERMAL_BANDS", "[0.2, 0.6, 0.9]")
    [found] = tuned([PIPELINES[System.THERMAL]])
    assert found.by_name["detect_anomalies"].parameters["threshold"] == 0.4
    assert found.by_name["detect_anomalies"].parameters["starts"] == (0.2, 0.6, 0.9)
    monkeypatch.setenv("SCANMILL_THERMAL_BANDS", "[0.6, 0.2, 0.9]")
    with pytest.raises(ValidationError):
        tuned([PIPELINES[System.THERMAL]])


def test_types_of_equipment_bring_their_own_memories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANMILL_THERMAL_ASSET_TYPES", '["pump", "bushing"]')
    monkeypatch.setenv("SCANMILL_THERMAL_OTHER_ASSET_TYPES", "default")
    [found] = tuned([PIPELINES[System.THERMAL]])
    assert found.models == {"thermal_patchcore", "thermal_patchcore_pump", "thermal_patchcore_bushing"}
    assert found.by_name["detect_anomalies"].parameters["any_value"] is True
    for wrong in ('["pump", "pump"]', '["Pump"]', '["../pump"]'):
        monkeypatch.setenv("SCANMILL_THERMAL_ASSET_TYPES", wrong)
        with pytest.raises(ValidationError):
            tuned([PIPELINES[System.THERMAL]])


def test_nothing_is_changed_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAT_CONFIDENCE_THRESHOLD", "")
    assert cats() == CAT_FACE
    other = Pipeline("other", CAT_FACE.stages)
    assert tuned([other]) == [other]


@pytest.mark.parametrize(
    ("variable", "stages"),
    [
        ("CAT_CONFIDENCE_THRESHOLD", {"validate_subject"}),
        ("FACE_CONFIDENCE_THRESHOLD", {"detect_face"}),
        ("CLASSIFICATION_THRESHOLD", {s.name for s in CAT_FACE.stages if s.kind == "classify_region"}),
        ("SCANMILL_CLASSIFICATION_THRESHOLD", {s.name for s in CAT_FACE.stages if s.kind == "classify_region"}),
    ],
)
def test_a_threshold_reaches_its_stages_as_a_parameter(
    monkeypatch: pytest.MonkeyPatch, variable: str, stages: set[str]
) -> None:
    monkeypatch.setenv(variable, "0.83")
    assert {s.name for s in cats().stages if s.parameters.get("threshold") == 0.83} == stages
    digests = dict.fromkeys((name for stage in CAT_FACE.stages for name in stage.models), "d" * 64)
    assert version_of(cats().specification(digests)) != version_of(CAT_FACE.specification(digests))


@pytest.mark.parametrize(
    ("variable", "stage", "switch"),
    [
        ("ENABLE_BACKGROUND_REMOVAL", "remove_background", "remove_bg"),
        ("ENABLE_GRADCAM", "explain_findings", "generate_gradcam"),
    ],
)
def test_what_is_switched_off_for_all_is_not_in_the_pipeline(
    monkeypatch: pytest.MonkeyPatch, variable: str, stage: str, switch: str
) -> None:
    monkeypatch.setenv(variable, "false")
    assert set(CAT_FACE.by_name) - set(cats().by_name) == {stage}
    assert CAT_FACE.options - cats().options == {switch}


def test_ages_of_reuse_are_of_the_version_but_not_of_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANMILL_CACHE_PREDICTIONS_S", "300")
    monkeypatch.setenv("SCANMILL_CACHE_BACKGROUND_S", "3600")
    ages = {stage.name: stage.reuse_for_s for stage in cats().stages if stage.reuse_for_s is not None}
    assert ages == {s.name: 3600 if s.name == "remove_background" else 300 for s in CAT_FACE.stages if s.models}
    assert [s.parameters for s in cats().stages] == [s.parameters for s in CAT_FACE.stages]
    monkeypatch.setenv("CACHE_PREDICTIONS", "false")
    assert {s.reuse_for_s for s in cats().stages if s.models} == {0, 3600}


def test_a_stage_that_another_needs_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match="detect_landmarks needs"):
        CAT_FACE.without({"detect_face"})


@pytest.mark.parametrize("variable", ["CAT_CONFIDENCE_THRESHOLD", "CLASSIFICATION_THRESHOLD", "ENABLE_GRADCAM"])
@pytest.mark.parametrize("value", ["1.5", "-0.1", "often"])
def test_a_value_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError, match=f"SCANMILL_{variable}"):
        CatFaceSettings()
