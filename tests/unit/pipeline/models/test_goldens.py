"""Golden records: what was answered is answered again, and what was tampered with is not believed."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import GoldensNotReproduced, LabelsSwapped, ModelOutputInvalid
from pipeline.models import goldens
from pipeline.models.golden_pictures import SCENES, RecipeError, paint, recipe_of, recipes_for
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from tests.unit.pipeline import tiny_models as tiny

Json = dict[str, Any]


@pytest.fixture
def room(tmp_path: Path) -> ModelRoom:
    return ModelRoom([read_manifest(tiny.cat_pack(tmp_path / "tiny"), "tiny")])


@pytest.fixture
def golden(room: ModelRoom) -> Json:
    return goldens.record(room.load("cat_validator"), "here")


def test_painted_pictures_never_change() -> None:
    """Goldens of every pack were recorded on these very pixels."""
    first = paint(SCENES[0])
    assert first.shape == (160, 176, 3) and first.dtype == np.uint8
    assert [int(paint(scene).sum()) for scene in SCENES[:3]] == [10666227, 10550248, 12921961]
    assert len({paint(scene).tobytes() for scene in SCENES}) == len(SCENES)


def test_a_picture_of_ones_own_goes_into_a_recipe_and_comes_back() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
    assert np.array_equal(paint(recipe_of(pixels)), pixels)
    with pytest.raises(RecipeError):
        recipe_of(np.zeros((600, 10, 3), np.uint8))


def test_numbers_are_drawn_alike_everywhere() -> None:
    drawn = paint({"numbers": 1, "count": 3})
    assert drawn.tolist() == pytest.approx([-0.7312715, 0.6948675, 0.5275492], abs=1e-6)
    assert np.array_equal(paint({"numbers": 1, "count": 500})[:3], drawn)


@dataclass(frozen=True)
class Numbers:
    features: tuple[str, ...] = ("length", "weight")


def test_every_kind_of_input_has_its_recipes(room: ModelRoom) -> None:
    assert recipes_for(room.entry("cat_validator").input) is SCENES
    assert recipes_for(Numbers())[0] == {"numbers": 1, "count": 2}  # type: ignore[arg-type]


def test_what_is_no_number_is_written_and_compared_by_name() -> None:
    odd = np.array([1.0, np.nan, np.inf, -np.inf], np.float32)
    written = json.loads(json.dumps(goldens._written(odd), allow_nan=False))
    assert written["samples"] == [1.0, "nan", "inf", "-inf"]
    written["sha256"] = "0" * 64
    assert goldens._differs(odd, written, 0.001, exact=False) is None
    assert "inf" in str(goldens._differs(odd[::-1], written, 0.001, exact=False))


@pytest.mark.parametrize(
    "recipe",
    [
        {},
        {"numbers": 1},
        {"numbers": 1, "count": 0},
        {"numbers": 1, "count": 10**7},
        {"scene": 1},
        {"scene": 1, "size": [4, 100]},
        {"scene": 1, "size": [100, 4000]},
        {"scene": "x", "size": [100, 100]},
        {"pixels": "!!", "size": [10, 10]},
        {"pixels": recipe_of(np.zeros((10, 10, 3), np.uint8))["pixels"], "size": [10, 11]},
        {"pixels": recipe_of(np.zeros((500, 500, 3), np.uint8))["pixels"], "size": [10, 10]},
    ],
)
def test_what_is_no_recipe_is_refused(recipe: Json) -> None:
    with pytest.raises(RecipeError):
        paint(recipe)


def test_every_family_is_held_to_what_it_answered(room: ModelRoom) -> None:
    for entry in room.entries():
        model = room.load(entry.name)
        golden = goldens.record(model, "here", SCENES[:2])
        goldens.check_record(golden, entry)
        assert goldens.hold(model, golden, "here") is True
        assert goldens.hold(model, golden, "elsewhere") is False


def spoiled(golden: Json, amount: float, digest: bool = True) -> Json:
    made = copy.deepcopy(golden)
    output = made["pictures"][3]["outputs"]["subject"]
    output["samples"][0] += amount
    output["sha256"] = "0" * 64 if digest else output["sha256"]
    return made


def test_one_bit_counts_on_the_same_profile_and_the_tolerance_elsewhere(room: ModelRoom, golden: Json) -> None:
    model = room.load("cat_validator")
    assert goldens.hold(model, spoiled(golden, 0.0005), "elsewhere") is False
    with pytest.raises(GoldensNotReproduced, match=r"picture 4: subject is not equal to the bit"):
        goldens.hold(model, spoiled(golden, 0.0), "here")
    with pytest.raises(GoldensNotReproduced, match=r"picture 4: subject differs by 0\.0"):
        goldens.hold(model, spoiled(golden, 0.01), "elsewhere")
    with pytest.raises(GoldensNotReproduced):
        goldens.hold(model, spoiled(golden, float("nan")), "elsewhere")


def test_labels_in_another_order_than_the_goldens_say_are_swapped(room: ModelRoom, golden: Json) -> None:
    golden["labels"]["subject"].reverse()
    with pytest.raises(LabelsSwapped, match="not_cat"):
        goldens.hold(room.load("cat_validator"), golden, "here")


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "0" * 64},
        {"pictures": []},
        {"pictures": [{"recipe": {"scene": 1}, "outputs": {}}]},
        {"pictures": [{"recipe": SCENES[0], "outputs": {}}]},
        {"tolerance": 0.5},
        {"tolerance": "x"},
    ],
)
def test_a_record_that_would_hold_nothing_is_refused(room: ModelRoom, golden: Json, change: Json) -> None:
    with pytest.raises(GoldensNotReproduced):
        goldens.check_record({**golden, **change}, room.entry("cat_validator"))


def test_a_model_that_does_not_answer_its_picture_has_no_goldens(tmp_path: Path) -> None:
    content = tiny.logarithm()
    table = tiny.entry(
        *("log", content, "subject", 32, {"subject": "subject"}), '[model.labels]\nsubject = ["not_cat", "cat"]'
    )
    room = ModelRoom([read_manifest(tiny.write_pack(tmp_path, [content], [table]), "tiny")])
    black = recipe_of(np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(ModelOutputInvalid):
        goldens.record(room.load("log"), "here", [black])


def test_records_are_written_and_read_as_they_are(tmp_path: Path, golden: Json) -> None:
    goldens.write(tmp_path, {"b": golden, "a": golden})
    assert goldens.read(tmp_path) == {"a": golden, "b": golden}
    assert goldens.read(tmp_path / "nowhere") == {}
    (tmp_path / goldens.FILE).write_text("{")
    with pytest.raises(GoldensNotReproduced):
        goldens.read(tmp_path)
