"""The seed's words for a report, and counts that add up."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.thermal_analysis import analysis, summary


def report(score: float = 0.45, confidence: float = 0.5) -> dict[str, Any]:
    box = {"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0, "confidence": 0.9, "type": "Critical", "peak": 2.0}
    anomaly = {
        "score": score, "band": "Potential", "threshold": 0.5, "confidence": confidence, "boxes": [box],
        "boxes_found": 1, "raw_score": 7.0, "scale": {"typical": 1.0, "limit": 2.0},
    }  # fmt: skip
    model = {"name": "thermal_patchcore", "version": "3"}
    stages = {"detect_anomalies": {"models": {"thermal_patchcore": model}}}
    return {"anomaly": anomaly, "stages": stages, "warnings": []}


@pytest.mark.row("S4.10")
@pytest.mark.parametrize(("threshold", "anomalous"), [(None, False), (0.45, True), (0.46, False), (0.0, True)])
def test_the_threshold_decides_one_thing_and_leaves_the_band(threshold: float | None, anomalous: bool) -> None:
    told = analysis(report(), threshold)
    assert told["is_anomalous"] is anomalous and told["classification"] == "Potential"
    assert told["threshold"] == (0.5 if threshold is None else threshold)


@pytest.mark.row("S4.9")
@pytest.mark.parametrize(
    ("confidence", "word"), [(0.0, "Low"), (0.19, "Low"), (0.2, "Medium"), (0.49, "Medium"), (0.5, "High"), (1.0, "High")]
)  # fmt: skip
def test_the_word_comes_from_the_number(confidence: float, word: str) -> None:
    told = analysis(report(confidence=confidence))
    assert (told["confidence"], told["confidence_score"]) == (word, confidence)


@pytest.mark.row("S4.11")
def test_boxes_have_the_seed_s_fields() -> None:
    assert [set(box) for box in analysis(report())["bounding_boxes"]] == [
        {"x", "y", "width", "height", "confidence", "type"}
    ]


def test_the_memory_that_answered_is_the_one_that_is_told() -> None:
    told = report()
    told["anomaly"]["memory"] = {"model": "thermal_patchcore_pump", "asset_type": "pump"}
    told["stages"]["detect_anomalies"]["models"]["thermal_patchcore_pump"] = {
        "name": "thermal_patchcore_pump",
        "version": "7",
    }
    assert (analysis(told)["asset_type"], analysis(told)["model_version"]) == ("pump", "7")
    before = analysis(report())
    assert (before["asset_type"], before["model_version"]) == (None, "3"), "a report from before there were types"


@pytest.mark.parametrize(
    ("left", "stage", "told", "code"),
    [
        ({"temperatures": {"code": None, "max": 61.2}}, {}, {"max": 61.2}, None),
        ({"temperatures": {"code": "NOT_RADIOMETRIC"}}, {}, None, "NOT_RADIOMETRIC"),
        ({"temperatures": None}, {"code": "DECODER_UNAVAILABLE"}, None, "DECODER_UNAVAILABLE"),
        ({}, None, None, None),
    ],
    ids=["measured", "none there", "step failed", "older report"],
)
def test_temperatures_or_why_there_are_none(left: Any, stage: Any, told: Any, code: str | None) -> None:
    old = report()
    stages = old["stages"] if stage is None else {**old["stages"], "measure_temperatures": stage}
    found = analysis({**old, **left, "stages": stages})
    assert (found["temperatures"], found["temperatures_code"]) == (told, code)


@pytest.mark.row("S4.14")
def test_counts_add_up_to_every_picture() -> None:
    classes = ["Normal", "Faulty", "Faulty", "Potential", "Overloway", None, None, None]
    told = summary(classes, [True] * 6 + [False] * 2)
    assert told["counts"] == {
        "Normal": 1, "Potential": 1, "Overloway": 1, "Faulty": 2, "without_answer": 1, "pending": 2,
    }  # fmt: skip
    assert sum(told["counts"].values()) == told["total_images"] == 8
    assert (told["faulty_count"], told["normal_count"]) == (2, 1)
