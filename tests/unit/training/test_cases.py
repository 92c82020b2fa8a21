"""Keys, kinds and examples."""

from pathlib import Path

import numpy as np

from training.cases import SHOWN, Case, examples, key_of, outcomes
from training.data import Picture


def case(key: str, kind: str, right: bool, unit: str = "") -> Case:
    return Case(key, kind, right, {}, {}, unit or key, lambda: np.zeros((1, 1, 3), np.uint8))


def picture(file: str) -> Picture:
    return Picture("cats", Path("elsewhere") / file, file, "test", {"file": file})


def test_a_key_is_the_picture_s_wherever_it_lies_and_hides_its_name() -> None:
    assert key_of(picture("tom.jpg")) == key_of(Picture("cats", Path("here"), "g", "test", {"file": "tom.jpg"}))
    assert key_of(picture("tom.jpg")) != key_of(picture("kim.jpg"))
    assert "tom" not in key_of(picture("tom.jpg"))
    assert key_of(picture("tom.jpg"), 2) == key_of(picture("tom.jpg")) + "-2"


def test_kinds_are_counted_right_ones_first() -> None:
    cases = [case("1", "missed", False), case("2", "found", True), case("3", "missed", False), case("4", "empty", True)]
    assert outcomes(cases) == [
        {"kind": "empty", "right": True, "n": 1},
        {"kind": "found", "right": True, "n": 1},
        {"kind": "missed", "right": False, "n": 2},
    ]


def test_examples_are_a_dozen_of_different_units_whatever_the_order() -> None:
    cases = [case(f"{k}-{turn}", "", turn > 0, unit=str(k)) for k in range(40) for turn in range(4)]
    found = examples(cases)
    assert {len(keys) for keys in found.values()} == {SHOWN}
    for keys in found.values():
        assert len({key.partition("-")[0] for key in keys}) == SHOWN
    kept = [one for one in cases if one.key in {*found["right"], *found["wrong"]}]
    assert {name: sorted(keys) for name, keys in examples(kept).items()} == {
        name: sorted(keys) for name, keys in found.items()
    }
    assert len({key.partition("-")[2] for key in found["right"]}) > 1, "whichever of a unit's turns the lot falls on"
    assert examples([case("1", "", True)]) == {"right": ["1"], "wrong": []}
