"""The shipped packs: every model loads, answers, and is not moved by its neighbours. Public weights where they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data

from pipeline.contracts import System
from pipeline.models.classifier import ClassAnswer
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import PACKS_ROOT, ModelSettings
from pipeline.stages.classify_region import ClassifyRegion
from pipeline.stages.crop_regions import CropRegions
from pipeline.systems import PIPELINES

BESIDE = Path(__file__).resolve().parents[5] / "shared" / "models"
MIRROR = os.environ.get("MODEL_MIRROR", str(BESIDE) if BESIDE.is_dir() else "")
"""Public weights: a folder of them beside the checkout is taken without being asked."""
PACKS = {name: read_manifest(PACKS_ROOT / name / "manifest.toml", name) for name in ("starter", "public")}
MODELS = [
    pytest.param(
        pack,
        name,
        marks=pytest.mark.skipif(
            pack == "public" and not MIRROR, reason="no public weights: MODEL_MIRROR names no folder"
        ),
    )
    for pack, entries in PACKS.items()
    for name in entries
]
ROOM = {pack: ModelRoom([entries], ModelSettings(mirror=MIRROR or None)) for pack, entries in PACKS.items()}


def pictures() -> list[Any]:
    """Photographs, crops of them and noise, of many sizes, sixteen in all."""
    rng = np.random.default_rng(1)
    cat, woman, coffee = data.chelsea(), data.astronaut(), data.coffee()
    crops = [np.ascontiguousarray(cat[20 * i : 20 * i + 120, 30 * i : 30 * i + 100 + 9 * i]) for i in range(8)]
    return [cat, woman, coffee, *crops, *(rng.integers(0, 256, (64 + 16 * i, 80, 3), np.uint8) for i in range(5))]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    if isinstance(one, ClassAnswer):
        return one.probabilities == other.probabilities and bool(np.array_equal(one.cam, other.cam))
    return bool(one == other)


@pytest.mark.parametrize(("pack", "name"), MODELS)
def test_neighbours_change_nothing(pack: str, name: str) -> None:
    model, given = ROOM[pack].load(name), pictures()
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
    picture = data.chelsea()
    other = ModelRoom([PACKS[pack]], ModelSettings(mirror=MIRROR or None)).load(name)
    assert same(ROOM[pack].load(name).predict([picture])[0], other.predict([picture])[0])


def test_the_starter_pack_has_every_model_of_every_system() -> None:
    for pipeline in PIPELINES.values():
        assert {name for stage in pipeline.stages for name in stage.models} <= set(PACKS["starter"])


@pytest.mark.parametrize("pack", PACKS)
def test_crops_are_cut_as_the_classifiers_were_trained(pack: str) -> None:
    stages = PIPELINES[System.CAT_FACE].stages
    scales = next(stage.scales for stage in stages if isinstance(stage, CropRegions))
    for stage in stages:
        if isinstance(stage, ClassifyRegion) and stage.model in PACKS[pack]:
            assert PACKS[pack][stage.model].crop_scale == scales[stage.region]


@pytest.mark.skipif(not MIRROR, reason="no public weights: MODEL_MIRROR names no folder")
def test_the_public_validator_knows_a_cat_from_an_astronaut() -> None:
    cat, woman = ROOM["public"].load("cat_validator").predict([data.chelsea(), data.astronaut()])
    assert cat.probabilities["cat"] > 0.9 and woman.probabilities["cat"] < 0.05
