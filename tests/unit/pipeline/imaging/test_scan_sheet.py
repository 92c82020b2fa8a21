"""The sheet of a scan: its size, whatever the pictures' shapes, and honest empty places."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.imaging.marks import TONES
from pipeline.imaging.scan_sheet import WIDTH, Area, scan_sheet

RED, BLUE = (200, 30, 30), (30, 30, 200)


def plain(colour: tuple[int, int, int], height: int = 300, width: int = 400) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def count(sheet: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(sheet.astype(int) - colour) <= 8).all(axis=2).sum())


def sheet(*areas: Area, original: np.ndarray | None = None) -> np.ndarray:
    first = plain((90, 90, 90)) if original is None else original
    return scan_sheet("cat 98%", [(first, "original")], [(first, "preview"), (first, "face")], areas, "a note")


@pytest.mark.parametrize("size", [(64, 64), (320, 240), (2048, 1365), (2000, 40), (40, 2000), (1, 1)])
def test_every_shape_of_picture_fits(size: tuple[int, int]) -> None:
    made = sheet(Area("left eye", "normal 93%", "good"), original=plain(RED, *size))
    assert made.shape[1] == WIDTH and made.shape[0] < 1600 and made.dtype == np.uint8
    assert count(made, RED) > 300 or min(size) < 50


def test_an_area_shows_its_crop_its_map_and_its_answer() -> None:
    area = Area("mouth", "abnormal 81%", "bad", "seen by 80 x 80 pixels", plain(RED, 224, 224), plain(BLUE, 224, 224))
    made = sheet(area)
    assert count(made, RED) > 20000 and count(made, BLUE) > 20000 and count(made, TONES["bad"]) > 1000


def test_what_is_missing_is_an_empty_place() -> None:
    answered = sheet(Area("mouth", "x", "plain", crop=plain(RED, 224, 224)))
    assert count(answered, RED) > 20000 and count(answered, BLUE) == 0
    assert count(sheet(Area("mouth", "region outside image", "plain")), RED) == 0


def test_without_areas_the_sheet_ends_earlier() -> None:
    assert sheet().shape[0] < sheet(Area("mouth", "x", "plain")).shape[0] - 300


def test_words_longer_than_their_place_are_cut() -> None:
    areas = [Area("n" * 200, "a" * 200, "good", "t" * 200) for _ in range(5)]
    made = sheet(*areas)
    gaps = [20 + place * (296 + 20) - 10 for place in range(1, 5)]
    assert all((made[-400:-60, x] > 200).all() for x in gaps), "nothing is written between the areas"


def test_equal_input_gives_equal_sheets_and_is_left_alone() -> None:
    picture = plain(RED)
    assert np.array_equal(sheet(original=picture), sheet(original=picture))
    assert (picture == RED).all()


def test_a_cutout_lies_on_chequers() -> None:
    cutout = np.zeros((200, 200, 4), np.uint8)
    shown = [(plain(RED), "preview")]
    made = scan_sheet("", [(plain(RED), "original"), (cutout, "cut-out")], shown, [], "")
    assert count(made, (204, 204, 204)) > 1000
