"""Boxes of every system's reports, by their real shapes."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.found_boxes import CATEGORIES, FoundBox, found_boxes

EXPECTED = Path(__file__).parents[2] / "golden" / "expected"
BOX = {"x": 1.0, "y": 2.0, "width": 30.0, "height": 40.0}


def test_a_cat_s_face_is_the_one_of_the_golden_report() -> None:
    report = json.loads((EXPECTED / "chelsea.json").read_text())
    (face,) = found_boxes(report)
    assert face == FoundBox("face", (46.607784, 0.0, 404.392216, 300.0), 0.575809)


def test_a_pupil_and_places_of_a_thermogram() -> None:
    pupil = {"pupil": {"x": 16.0, "y": 22.0, "radius": 15.0, "box": BOX}, "quality": 0.7}
    places = {"boxes": [{**BOX, "confidence": 0.9, "type": "x", "peak": 2.0}] * 2}
    found = list(found_boxes({"pupil": pupil, "anomaly": places}))
    assert [each.category for each in found] == ["pupil", "anomaly", "anomaly"]
    assert {each.box for each in found} == {(1.0, 2.0, 30.0, 40.0)}
    assert {each.category for each in found} < set(CATEGORIES)


def test_what_found_nothing_has_no_box() -> None:
    assert list(found_boxes({})) == []
    assert list(found_boxes({"face": None, "pupil": None, "anomaly": None})) == []
    assert list(found_boxes({"pupil": {"pupil": None, "quality": 0.2}, "anomaly": {"boxes": []}})) == []
