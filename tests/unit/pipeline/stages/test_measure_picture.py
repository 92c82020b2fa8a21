"""Each of the five numbers moves with what it is named for, and with nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.stages.measure_picture import MeasurePicture
from tests.unit.pipeline.items import canonical, item, run

STAGE = MeasurePicture()
NOISE = np.random.default_rng(0).integers(60, 196, (96, 128, 3)).astype(np.uint8)


def measured(picture: NDArray[np.uint8]) -> dict[str, float]:
    [answer] = run(STAGE, [item(decode_image=canonical(picture))])
    assert answer.artifacts == {}
    return dict(answer.data)


def flat(*colour: int) -> NDArray[np.uint8]:
    return np.full((40, 60, 3), colour, np.uint8)


def test_a_flat_grey_picture_has_its_brightness_and_nothing_else() -> None:
    found = measured(flat(128, 128, 128))
    assert found.pop("brightness") == pytest.approx(128 / 255, abs=1e-5)
    assert found == {"contrast": 0, "sharpness": 0, "saturation": 0, "clipped": 0}


def test_a_pure_colour_is_saturated_and_black_and_white_are_clipped() -> None:
    assert measured(flat(255, 0, 0))["saturation"] == 1
    assert measured(flat(255, 0, 0))["brightness"] == pytest.approx(0.299, abs=1e-4)
    for end in (0, 255):
        assert measured(flat(end, end, end))["clipped"] == 1


def test_light_moves_brightness_alone() -> None:
    dark, light = measured(NOISE - 40), measured(NOISE + 40)
    assert light.pop("brightness") - dark.pop("brightness") == pytest.approx(80 / 255, abs=1e-4)
    assert light == pytest.approx(dark, abs=1e-4)


def test_blur_takes_sharpness_and_a_larger_picture_of_the_same_does_not() -> None:
    blurred = NOISE.astype(np.float32)
    for axis in (0, 1):
        blurred = (blurred + np.roll(blurred, 1, axis)) / 2
    assert measured(blurred.astype(np.uint8))["sharpness"] < measured(NOISE)["sharpness"] / 2
    small = np.kron(NOISE[:48, :64], np.ones((4, 4, 1), np.uint8))
    assert measured(np.kron(small, np.ones((4, 4, 1), np.uint8))) == pytest.approx(measured(small), abs=0.01)


def test_one_pixel_is_a_picture() -> None:
    assert measured(flat(10, 10, 10)[:1, :1])["sharpness"] == 0


def test_neighbours_change_nothing() -> None:
    items = [item(decode_image=canonical(picture)) for picture in (NOISE, flat(9, 9, 9), NOISE[::-1].copy())]
    assert [one.data for one in run(STAGE, items)] == [run(STAGE, [one])[0].data for one in items]
