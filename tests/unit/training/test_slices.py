"""Which slice a picture is in, and what is said of a slice."""

import numpy as np
import pytest

from training import slices
from training.cases import Case
from training.data import Floats, Pixels


def plain(*colour: int) -> Pixels:
    return np.full((8, 8, 3), colour, np.uint8)


def case(key: str, value: float, unit: str = "", **traits: str) -> Case:
    return Case(key, "", value > 0, {"share": value}, traits, unit or key, lambda: plain(0, 0, 0))


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((20, 20, 20), "dark"),
        ((240, 240, 235), "light"),
        ((120, 120, 122), "grey"),
        ((170, 120, 70), "ginger to brown"),
    ],
)
def test_fur_by_its_median_colour(colour: tuple[int, int, int], name: str) -> None:
    assert slices.fur(plain(*colour), None) == name


def test_fur_is_what_the_mask_covers() -> None:
    image = np.concatenate([plain(20, 20, 20), plain(240, 240, 240), plain(240, 240, 240)])
    mask = np.zeros((24, 8), np.uint8)
    mask[:8] = 255
    assert slices.fur(image, None) == "light"
    assert slices.fur(image, mask) == "dark"


def face(degrees: float, nose_aside: float) -> Floats:
    angle = np.deg2rad(degrees)
    along, down = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    left, right = -50 * along, 50 * along
    nose = 60 * down + 100 * nose_aside * along
    return np.stack([left, right, left, right, nose, nose]).astype(np.float32)


def test_roll_and_turn_do_not_mix() -> None:
    assert slices.pose(face(0, 0)) == {"roll": "under 3°", "turn": "under 0.025"}
    assert slices.pose(face(-8, 0)) == {"roll": "6° and over", "turn": "under 0.025"}
    assert slices.pose(face(8, 0.03)) == {"roll": "6° and over", "turn": "0.025 to 0.050"}
    assert slices.pose(face(4, -0.1)) == {"roll": "3 to 6°", "turn": "0.050 and over"}


def test_intervals_stand_in_their_order() -> None:
    names = [slices.limits(value, (3, 6), "°") for value in (9, 3, 1)]
    assert sorted(names, key=slices.rank) == ["under 3°", "3 to 6°", "6° and over"]


def test_a_small_slice_is_counted_and_nothing_is_claimed_of_it() -> None:
    cases = [case(str(k), 1.0, roll="under 3°") for k in range(50)] + [
        case(f"few {k}", 0.0, roll="3 to 6°") for k in range(slices.LEAST - 1)
    ]
    whole, under, few = slices.per_slice(cases)
    assert (whole["by"], whole["slice"], whole["n"]) == ("", "", 50 + slices.LEAST - 1)
    assert (under["value"], under["n"], under["beside"]) == (1.0, 50, "above")
    assert (few["value"], few["low"], few["n"], few["beside"]) == (None, None, slices.LEAST - 1, "")


def test_all_right_is_not_above_a_whole_that_is_nearly_all_right() -> None:
    """29 of 29 do not show that a slice is better than 97 %."""
    cases = [case(str(k), float(k > 2), roll="3 to 6°") for k in range(71)]
    cases += [case(f"r{k}", 1.0, roll="under 3°") for k in range(29)]
    assert slices.per_slice(cases)[1] | {"low": 0} == {
        "figure": "share", "by": "roll", "slice": "under 3°", "n": 29, "value": 1.0, "low": 0, "high": 1.0, "beside": "",
    }  # fmt: skip


def test_crops_of_one_face_count_once() -> None:
    cases = [case(f"{k}-{turn}", float(turn > 0), unit=str(k)) for k in range(30) for turn in range(4)]
    (whole,) = slices.per_slice(cases)
    assert (whole["n"], whole["value"], whole["low"], whole["high"]) == (30, 0.75, 0.75, 0.75)


def test_every_slicing_says_how() -> None:
    assert all(len(how) > 20 for how in slices.HOW.values())
