"""The shipped packs: every model loads, answers, and is not moved by its neighbours. Public weights where they are."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data

from pipeline.contracts import System
from pipeline.models.anomaly import AnomalyAnswer
from pipeline.models.classifier import ClassAnswer
from pipeline.models.manifest import ModelEntry, read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import PACKS_ROOT, ModelSettings
from pipeline.models.subject import SubjectModel
from pipeline.stages.classify_region import ClassifyRegion
from pipeline.stages.crop_regions import CropRegions
from pipeline.systems import PIPELINES

BESIDE = Path(__file__).resolve().parents[5] / "shared" / "models"
MIRROR = os.environ.get("MODEL_MIRROR", str(BESIDE) if BESIDE.is_dir() else "")
"""Public weights: a folder of them beside the checkout is taken without being asked."""
PACKS = {name: read_manifest(PACKS_ROOT / name / "manifest.toml", name) for name in ("starter", "public")}


def here(entry: ModelEntry) -> bool:
    """Whether the file lies in the pack's folder or in the folder of public weights."""
    return any((Path(folder) / entry.file).is_file() for folder in (str(entry.folder), MIRROR) if folder)


MODELS = [
    pytest.param(
        pack,
        entry.name,
        marks=pytest.mark.skipif(
            pack == "public" and not here(entry),
            reason="no public weights: `scanmill models fetch`, or MODEL_MIRROR names a folder",
        ),
    )
    for pack, entries in PACKS.items()
    for entry in entries.values()
]
ROOM = {pack: ModelRoom([entries], ModelSettings(mirror=MIRROR or None)) for pack, entries in PACKS.items()}


def pictures() -> list[Any]:
    """Photographs, crops of them and noise, of many sizes, sixteen in all."""
    rng = np.random.default_rng(1)
    cat, woman, coffee = data.chelsea(), data.astronaut(), data.coffee()
    crops = [np.ascontiguousarray(cat[20 * i : 20 * i + 120, 30 * i : 30 * i + 100 + 9 * i]) for i in range(8)]
    return [cat, woman, coffee, *crops, *(rng.integers(0, 256, (64 + 16 * i, 80, 3), np.uint8) for i in range(5))]


def given_to(model: Any) -> list[Any]:
    """Sixteen pictures, or vectors for a model over numbers."""
    names = model.entry.input.features
    return list(np.random.default_rng(2).uniform(-1, 3, (16, len(names)))) if names else pictures()


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    if isinstance(one, AnomalyAnswer):
        return one.score == other.score and bool(np.array_equal(one.map, other.map))
    if isinstance(one, ClassAnswer):
        return one.probabilities == other.probabilities and bool(np.array_equal(one.cam, other.cam))
    return bool(one == other)


@pytest.mark.parametrize(("pack", "name"), MODELS)
def test_neighbours_change_nothing(pack: str, name: str) -> None:
    model = ROOM[pack].load(name)
    given = given_to(model)
    alone = [model.predict([picture])[0] for picture in given]
    for count in (2, 5, 16):
        for first in {0, 16 - count}:
            chosen = slice(first, first + count)
            together = model.predict(given[chosen])
            assert all(same(one, other) for one, other in zip(alone[chosen], together, strict=True))
    turned = model.predict(given[::-1])[::-1]
    assert all(same(one, other) for one, other in zip(alone, turned, strict=True))


@pytest.mark.parametrize(("pack", "name"), MODELS)
def test_a_second_session_says_the_same(pack: str, name: str) -> None:
    other = ModelRoom([PACKS[pack]], ModelSettings(mirror=MIRROR or None)).load(name)
    picture = given_to(other)[0]
    assert same(ROOM[pack].load(name).predict([picture])[0], other.predict([picture])[0])


def test_the_packs_have_every_model_of_every_system_and_the_starter_pack_the_cat_s() -> None:
    assert PIPELINES[System.CAT_FACE].models <= set(PACKS["starter"])
    for pipeline in PIPELINES.values():
        if pipeline.system is System.THERMAL:
            continue  # its memory is the installation's own
        assert pipeline.models <= set(PACKS["starter"]) | set(PACKS["public"])


@pytest.mark.parametrize("pack", PACKS)
def test_crops_are_cut_as_the_classifiers_were_trained(pack: str) -> None:
    stages = PIPELINES[System.CAT_FACE].stages
    scales = next(stage.scales for stage in stages if isinstance(stage, CropRegions))
    for stage in stages:
        if isinstance(stage, ClassifyRegion) and stage.model in PACKS[pack]:
            assert PACKS[pack][stage.model].crop_scale == scales[stage.region]


@pytest.mark.skipif(not here(PACKS["public"]["cat_validator"]), reason="no public weights")
def test_the_public_validator_knows_a_cat_from_an_astronaut() -> None:
    cat, woman = ROOM["public"].load("cat_validator").predict([data.chelsea(), data.astronaut()])
    assert cat.probabilities["cat"] > 0.9 and woman.probabilities["cat"] < 0.05


@pytest.mark.skipif(not here(PACKS["public"]["cat_validator"]), reason="no public weights")
def test_the_public_validator_answers_the_same_for_pixels_as_for_the_floats_they_stand_for() -> None:
    """Its input has scale 1/128 and zero point 128: (pixel - 128) / 128 in floats is stored as the pixel again."""
    stored = ROOM["public"].load("cat_validator")
    spec = replace(stored.entry.input, dtype="float32", mean=(128.0,) * 3, std=(128.0,) * 3)
    real = SubjectModel(replace(stored.entry, input=spec), stored.session)
    assert real.predict(pictures()[:4]) == stored.predict(pictures()[:4])


@pytest.mark.skipif(not here(PACKS["public"]["cat_detector"]), reason="no public weights")
def test_the_public_detector_finds_the_cat_and_no_cat_on_a_coffee() -> None:
    cat, coffee = ROOM["public"].load("cat_detector").predict([data.chelsea(), data.coffee()])
    box = cat[0].box
    assert cat[0].label == "cat" and cat[0].confidence > 0.5
    assert box.x < 150 and box.y < 60 and box.x + box.width > 330 and box.y + box.height > 250
    assert not coffee or coffee[0].confidence < 0.3


@pytest.mark.skipif(not here(PACKS["public"]["background_513"]), reason="no public weights")
def test_the_public_mattes_show_the_cat_and_the_astronaut() -> None:
    hard = ROOM["public"].load("background_513").predict([data.chelsea()])[0]
    assert hard[150, 230] == 255 and hard.mean() > 60 and set(np.unique(hard)) >= {0, 255}
    person = ROOM["public"].load("person_background").predict([data.astronaut()])[0]
    assert person[120, 220] > 200 and person[20, 20] < 60
