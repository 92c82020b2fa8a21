"""Pupils that are known are found where they are; where there is none, the quality says so."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.imaging import pupil
from pipeline.imaging.pupil import find_pupil
from tests.unit.pipeline.drawn_eyes import DrawnEye, clouds, drawn_eye


def is_found(eye: DrawnEye) -> bool:
    found = find_pupil(eye.picture)
    return (
        found is not None
        and np.hypot(found.x - eye.x, found.y - eye.y) < 0.15 * eye.radius
        and abs(found.radius - eye.radius) < 0.2 * eye.radius
    )


@pytest.mark.parametrize("milky", [False, True])
def test_the_pupil_of_a_drawn_eye_is_found_dark_or_milky(milky: bool) -> None:
    assert sum(is_found(drawn_eye(seed, milky=milky)) for seed in range(40)) >= 39


@pytest.mark.parametrize("size", [(120, 160), (900, 700), (240, 960)])
def test_coordinates_are_those_of_the_picture_whatever_its_size(size: tuple[int, int]) -> None:
    assert is_found(drawn_eye(3, size))


@pytest.mark.parametrize("count", [25, pytest.param(100, marks=pytest.mark.slow)])
def test_a_clear_pupil_has_a_high_quality_and_clouds_a_low_one(count: int) -> None:
    clear = [found.quality for seed in range(20) if (found := find_pupil(drawn_eye(seed).picture))]
    cloudy = [found.quality if (found := find_pupil(clouds(seed))) else 0 for seed in range(count)]
    assert min(clear) > 0.8 and len(clear) == 20
    assert max(cloudy) < 0.6


@pytest.mark.parametrize("value", [0, 90, 255])
def test_a_picture_of_one_colour_has_no_pupil(value: int) -> None:
    found = find_pupil(np.full((200, 260, 3), value, np.uint8))
    assert found is None or found.quality == 0


def test_the_dark_blob_finds_the_same_pupil_without_the_transform() -> None:
    eye = drawn_eye(5)
    grey = cv2.cvtColor(eye.picture, cv2.COLOR_RGB2GRAY)
    [centre] = pupil._dark_blob(grey)
    assert np.hypot(centre[0] - eye.x, centre[1] - eye.y) < 0.15 * eye.radius
    found = pupil._innermost(pupil._judged(grey, *centre, "dark_blob"))
    assert found is not None and (found.method, found.quality > 0.8) == ("dark_blob", True)
    assert abs(found.radius - eye.radius) < 0.2 * eye.radius


def test_a_rim_beyond_the_picture_is_no_rim() -> None:
    whole = drawn_eye(7)
    half = whole.picture[:, int(whole.x) :]
    found = find_pupil(np.ascontiguousarray(half))
    assert found is None or found.quality < 0.6


def test_the_median_of_known_numbers_is_numpys() -> None:
    values = np.random.default_rng(3).integers(0, 255, (50, 144)).astype(float)
    values[np.random.default_rng(4).random(values.shape) < np.linspace(0, 0.95, 50)[:, None]] = np.nan
    assert np.array_equal(pupil._known_median(values), np.nanmedian(values, axis=1, keepdims=True))
    assert np.isnan(pupil._known_median(np.full((2, 6), np.nan))).all()
