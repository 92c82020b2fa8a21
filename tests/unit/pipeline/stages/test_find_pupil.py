"""A clear pupil is told and cut out; an unclear one is told as unclear."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.stage import StageOutput
from pipeline.stages.find_pupil import FindPupil
from tests.unit.pipeline.drawn_eyes import clouds, drawn_eye
from tests.unit.pipeline.items import canonical, item, run

STAGE = FindPupil()


@pytest.mark.row("S3.10")
def test_a_clear_pupil_has_a_place_a_box_and_a_crop() -> None:
    eye = drawn_eye(1)
    [answer] = run(STAGE, [item(decode_image=canonical(eye.picture))])
    told = answer.data
    assert (told["code"], told["method"]) == (None, "hough") and told["quality"] >= told["least"]
    assert told["pupil"]["x"] == pytest.approx(eye.x, abs=5)
    assert told["pupil"]["box"]["width"] == pytest.approx(2 * told["pupil"]["radius"])
    crop = answer.artifacts["crop_pupil"].pixels
    assert crop.shape[0] == pytest.approx(5 * eye.radius, rel=0.25)
    assert crop[crop.shape[0] // 2, crop.shape[1] // 2].mean() < 60  # black, in the middle


@pytest.mark.row("S3.10")
def test_an_unclear_one_is_no_pupil_and_no_failure() -> None:
    [answer] = run(STAGE, [item(decode_image=canonical(clouds(2)))])
    assert isinstance(answer, StageOutput) and answer.artifacts == {}
    assert (answer.data["pupil"], answer.data["code"]) == (None, "PUPIL_UNCLEAR")
    assert 0 <= answer.data["quality"] < 0.6


def test_no_circle_at_all_has_no_quality() -> None:
    [answer] = run(STAGE, [item(decode_image=canonical(np.full((64, 64, 3), 200, np.uint8)))])
    assert (answer.data["pupil"], answer.data["quality"]) == (None, 0)


def test_neighbours_change_nothing() -> None:
    items = [
        item(decode_image=canonical(picture)) for picture in (drawn_eye(1).picture, clouds(1), drawn_eye(2).picture)
    ]
    assert [one.data for one in run(STAGE, items)] == [run(STAGE, [one])[0].data for one in items]
