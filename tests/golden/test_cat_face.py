"""Packaged photographs through the whole cat pipeline with the starter pack, held against kept reports.

After a change that is meant: ``python -m tests.golden.regenerate``, and look at the difference.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.contracts import RunState
from pipeline.imaging.codec import decode_own
from pipeline.models.room import ModelRoom
from tests.golden.cases import FOLDER, differences, pictures, scanned, starter_room

NAMES = sorted(pictures())


@pytest.fixture(scope="module")
def room() -> ModelRoom:
    return starter_room()


def expected(name: str) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return kept


@pytest.mark.parametrize("name", NAMES)
def test_a_photograph_gets_the_report_it_got_before(room: ModelRoom, name: str) -> None:
    """Model digests are part of it: other models fail here until somebody has looked at what they answer."""
    report = scanned(room, name)["build_report"].data["report"]
    assert list(differences(expected(name), json.loads(json.dumps(report)))) == []


def test_the_same_bytes_give_the_same_bytes(room: ModelRoom) -> None:
    first, second = scanned(room, "chelsea"), scanned(starter_room(), "chelsea")
    assert first == second, "numbers and files, by another session too"


def test_the_sample_cat_has_its_eyes_and_mouth_explained_and_its_ears_honest() -> None:
    report = expected("chelsea")
    assert report["subject"]["label"] == "cat"
    for region in ("left_eye", "right_eye", "mouth"):
        assert "label" in report["findings"][region], region
        assert {f"crop_{region}", f"heatmap_{region}"} <= set(report["artifacts"])
    for region in ("left_ear", "right_ear"):
        assert report["findings"][region] == {"outcome": "abstained", "code": "REGION_OUTSIDE_IMAGE"}
        assert f"crop_{region}" not in report["artifacts"]
    assert report["health_score"] is not None


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_what_is_no_cat_is_rejected(name: str) -> None:
    report = expected(name)
    assert report["stages"]["validate_subject"]["code"] == "NOT_A_CAT"
    assert report["artifacts"] == ["canonical", "original"] and report["health_score"] is None


def test_a_mirrored_cat_has_its_landmarks_mirrored() -> None:
    """Left is left in the picture, so the mirrored right eye is the left one. Networks are only nearly symmetric."""
    cat, mirrored = expected("chelsea"), expected("chelsea_mirrored")
    width, side = cat["image"]["width"], cat["face"]["crop"]["width"]
    swapped = {"left_eye": "right_eye", "right_eye": "left_eye", "mouth": "mouth", "nose": "nose"}
    for name, other in swapped.items():
        one, two = cat["landmarks"]["points"][name], mirrored["landmarks"]["points"][other]
        assert abs(one["x"] - (width - two["x"])) < 0.06 * side
        assert abs(one["y"] - two["y"]) < 0.06 * side


def test_every_picture_that_a_report_names_can_be_looked_at(room: ModelRoom) -> None:
    records = scanned(room, "chelsea")
    files = {name: file for record in records.values() for name, file in record.artifacts.items()}
    assert sorted(files) == expected("chelsea")["artifacts"]
    for name, file in files.items():
        pixels = decode_own(file.content)
        assert pixels.std() > 1, f"{name} is one colour"
        assert (pixels.shape[2] == 4) is (name == "cutout")
    assert all(record.ending.state is not RunState.FAILED for record in records.values())


def test_the_tolerances_can_fail() -> None:
    kept = expected("chelsea")
    for path, value in ((("subject", "probability"), 0.0), (("image", "width"), 450), (("health_score",), None)):
        changed = json.loads(json.dumps(kept))
        place = changed
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        assert len(list(differences(kept, changed))) == 1
    del changed["landmarks"]
    assert any("/landmarks" in line for line in differences(kept, changed))
