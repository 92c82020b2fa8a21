"""Numbers in, probabilities out: LightGBM's text through the manifest, the room and the family."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from pipeline.errors import ModelLoadError, ModelOutputInvalid
from pipeline.models.base import Model, of_family
from pipeline.models.lightgbm_session import LightGbmSession
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.tabular import TabularModel
from tests.unit.pipeline import tiny_models, tiny_runtimes

NAMES = ("red", "green", "blue")


def opened(folder: Path, content: bytes, labels: tuple[str, ...], features: object = '["red", "green", "blue"]') -> Any:
    folder.mkdir(exist_ok=True)
    (folder / "trees.txt").write_bytes(content)
    (folder / "manifest.toml").write_text(f"""
[[model]]
name = "colours"
version = "1"
file = "trees.txt"
sha256 = "{tiny_models.sha256(content)}"
runtime = "lightgbm"
licence = "Apache-2.0"
source = "tests"
task = "tabular"
[model.input]
features = {features}
[model.outputs]
probabilities = "probabilities"
[model.labels]
probabilities = {list(labels)}
""")
    return ModelRoom([read_manifest(folder / "manifest.toml", "mine")]).load("colours")


@pytest.fixture(params=[2, 3], ids=["binary", "multiclass"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Model[Any]:
    return opened(tmp_path, tiny_runtimes.boosted(request.param), NAMES[: request.param])  # type: ignore[no-any-return]


def vectors(count: int) -> list[Any]:
    return list(np.random.default_rng(2).uniform(0, 1, (count, 3)))


@pytest.mark.row("S3.12")
def test_probabilities_are_lightgbm_s_own(model: Model[Any], tmp_path: Path) -> None:
    booster = lightgbm.Booster(model_file=str(tmp_path / "trees.txt"))
    given = vectors(20)
    expected = booster.predict(np.stack(given))
    for answer, found in zip(model.predict(given), np.asarray(expected), strict=True):
        values = list(answer.values())
        assert values == ([1 - found, found] if found.ndim == 0 else found.tolist())
        assert sum(values) == pytest.approx(1)
    assert isinstance(of_family({"m": model}, "m", TabularModel), TabularModel)


def test_the_answer_has_the_manifest_s_labels(model: Model[Any]) -> None:
    best = [
        max(answer, key=answer.get) for answer in model.predict([np.array([0.9, 0.1, 0.1]), np.array([0.1, 0.9, 0.1])])
    ]
    assert best == ["red", "green"]


def test_neighbours_and_threads_change_nothing(model: Model[Any], tmp_path: Path) -> None:
    given = vectors(16)
    alone = [model.predict([vector])[0] for vector in given]
    assert model.predict(given) == alone
    assert model.predict(given[::-1]) == alone[::-1]
    assert model.predict(given[3:8]) == alone[3:8]
    threads = LightGbmSession((tmp_path / "trees.txt").read_bytes(), threads=2)
    assert TabularModel(model.entry, threads).predict(given) == alone


@pytest.mark.parametrize(
    "bad", [np.array([0.1, 0.2]), np.array([0.1, np.nan, 0.3]), np.array([0.1, np.inf, 0.3]), np.zeros((3, 1))]
)
def test_a_vector_that_cannot_be_harms_no_neighbour(model: Model[Any], bad: Any) -> None:
    first, last = vectors(2)
    answers = model.predict([first, bad, last])
    assert isinstance(answers[1], ModelOutputInvalid)
    assert [answers[0], answers[2]] == model.predict([first, last])


def test_features_must_be_the_file_s(tmp_path: Path) -> None:
    content = tiny_runtimes.boosted()
    assert opened(tmp_path, content, NAMES[:2], 3).predict([np.zeros(3)]), "their number alone is enough"
    for features in ('["green", "red", "blue"]', '["red", "green"]', 4):
        with pytest.raises(ModelLoadError):
            opened(tmp_path, content, NAMES[:2], features)


def test_labels_must_be_as_many_as_the_probabilities(tmp_path: Path) -> None:
    answer = opened(tmp_path, tiny_runtimes.boosted(3), NAMES[:2]).predict([np.zeros(3)])[0]
    assert isinstance(answer, ModelOutputInvalid)


def test_another_input_than_the_manifest_s_is_refused(model: Model[Any]) -> None:
    with pytest.raises(ModelLoadError, match="input"):
        TabularModel(replace(model.entry, input=replace(model.entry.input, name="numbers")), model.session)


def test_a_model_that_gives_no_probabilities_is_refused() -> None:
    rows = np.random.default_rng(1).uniform(0, 1, (100, 2))
    data = lightgbm.Dataset(rows, rows[:, 0])
    booster = lightgbm.train({"objective": "regression", "verbosity": -1, "num_threads": 1}, data, 2)
    with pytest.raises(ModelLoadError, match="regression"):
        LightGbmSession(booster.model_to_string().encode())


def test_categories_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    rows = np.stack([rng.integers(0, 40, 500), rng.uniform(0, 1, 500)], axis=1).astype(np.float64)
    data = lightgbm.Dataset(rows, rows[:, 0] % 3 == 0, categorical_feature=[0], feature_name=["kind", "size"])
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, "min_data_per_group": 1, "cat_smooth": 1}
    booster = lightgbm.train(settings, data, 3)
    content = booster.model_to_string().encode()
    assert b"cat_threshold" in content
    found = LightGbmSession(content).run("features", rows[:5], ["probabilities"])["probabilities"]
    assert np.array_equal(found[:, 1], booster.predict(rows[:5]))
