"""Both cataract recipes from drawn eyes to notes, on the shipped encoder: nothing had to be trained before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from pipeline.errors import TrainingDataMissing
from pipeline.models.settings import PACKS_ROOT
from tests.made_up_eyes import write_eyes
from training import augment, grid
from training.budget import Budget, Stage
from training.evaluate import Metric
from training.eye_changes import CHANGES
from training.eyes import eyes
from training.eyes_plots import counts, curve, draw
from training.eyes_scores import plain
from training.place import Place
from training.recipes import cataract_fast, cataract_strong
from training.recipes import eyes as encoder
from training.run import arguments, run

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras, as it saves
]
row = pytest.mark.row
SHIPPED = PACKS_ROOT / "starter" / "eyes.onnx"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("cataract")
    (root / "out").mkdir()
    cv2.setNumThreads(1)  # as a run does: forked processes must not wait for threads that they do not have
    return Place(write_eyes(root / "data", groups=40, each=1), root / "out")


def note(place: Place, name: str) -> dict[str, Any]:
    return dict(json.loads((place.out / f"{name}.json").read_text()))


def answers(file: Path, names: list[str], images: Any) -> list[Any]:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return list(session.run(names, {"image": images}))


@pytest.fixture(scope="module")
def pixels() -> Any:
    return np.random.default_rng(1).uniform(-1, 1, (2, encoder.SIZE, encoder.SIZE, 3)).astype(np.float32)


def test_the_shipped_encoder_is_taken_where_none_was_trained(place: Place, pixels: Any, tmp_path: Path) -> None:
    assert encoder.ready(place)["of"] == "the starter pack's eyes.onnx"
    names = ["subject", "embedding"]
    here, shipped = (answers(file, names, pixels) for file in (place.out / encoder.FILE, SHIPPED))
    assert all(np.array_equal(one, other) for one, other in zip(here, shipped, strict=True))
    assert [one.name for one in onnx.load(str(place.out / encoder.FILE)).graph.output] == names
    trained = Place(place.data, tmp_path)
    trained.weights("eyes").touch()
    with pytest.raises(TrainingDataMissing):
        encoder.ready(trained)
    (tmp_path / encoder.FILE).write_bytes(b"its export")
    assert encoder.ready(trained)["of"] == "the recipe eyes"


@row("S3.14", "S3.19", "S3.20")
def test_the_fast_model_from_pictures_to_note(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, dict[str, Any], dict[str, float]]] = []
    place.progress.listeners = [Ear(heard)]
    monkeypatch.setattr(cataract_fast, "SETTINGS", cataract_fast.SETTINGS | {"min_data_in_leaf": 3})
    cataract_fast.train(place, Budget(scale=0.05))
    cataract_fast.score(place)
    told = note(place, "cataract_fast")
    figures = {one["name"]: one for one in told["metrics"]}
    assert figures.keys() >= {"accuracy", "precision", "cataracts found", "F1", "AUROC"}
    assert all(one["low"] <= one["value"] <= one["high"] for one in figures.values())
    assert figures["AUROC"]["value"] > 0.9, "milky pupils are told from dark ones"
    chosen = told["run"]["grid"]
    trials = json.loads((place.out / cataract_fast.SEARCH).read_text())
    assert len(trials) == len(heard) == 36 and chosen["mean_roc_auc"] == max(one["mean"] for one in trials)
    assert heard[0][1] == {"n_estimators": 100, "learning_rate": 0.01, "max_depth": 3}
    assert f"depth {chosen['max_depth']}" in told["run"]["how"] and len(told["run"]["data_sha256"]) == 64
    for name in ("confusion_matrix", "roc_curve"):
        with Image.open(place.out / f"cataract_fast.{name}.png") as drawn:
            assert drawn.size == (500, 500)


class Ear:
    """Hears of combinations."""

    def __init__(self, heard: list[Any]) -> None:
        self.heard = heard

    def told(self, facts: dict[str, Any]) -> None:
        pass

    def tried(self, *what: Any) -> None:
        self.heard.append(what)


@row("S3.13", "S3.20")
def test_the_strong_model_unfreezes_the_last_layers_and_leaves_the_rest(
    place: Place, monkeypatch: pytest.MonkeyPatch, pixels: Any
) -> None:
    monkeypatch.setattr("training.watching.BATCHES", 1)
    monkeypatch.setattr(cataract_strong, "STAGES", {"cpu": (Stage(encoder.SIZE, 12, 8, 3e-4),)})
    cataract_strong.train(place, Budget(processes=1))
    cataract_strong.others(place)
    cataract_strong.score(place)
    told = note(place, "cataract_strong")
    run_of = told["run"]
    assert run_of["unfrozen"] == ["conv_1", "cataract"] and run_of["changes"] == {
        one.name: one.share for one in CHANGES
    }
    (stage,) = run_of["stages"]
    assert stage["validation"]["seen"], "early stopping looked at the validation part"
    assert {one["name"] for one in told["metrics"]} >= {"precision", "F1", "AUROC"}
    file = place.out / cataract_strong.FILE
    names = ["subject", "embedding"]
    before, after = (answers(one, names, pixels) for one in (SHIPPED, file))
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True)), "what the others see"
    logits, cam = answers(file, ["scanmill_logits", "scanmill_cam"], pixels)
    network = cataract_strong.build(place.out / encoder.FILE)
    network.load_weights(str(place.weights("cataract_strong")))
    assert np.diff(logits) == pytest.approx(
        np.diff(keras.ops.convert_to_numpy(network(pixels, training=False))), abs=5e-3
    )
    assert cam.shape == (2, 5, 5, 2)
    frozen = cataract_strong.build(place.out / encoder.FILE)
    changed = {
        layer.name
        for layer, other in zip(network.layers, frozen.layers, strict=True)
        for one, same in zip(layer.get_weights(), other.get_weights(), strict=True)
        if not np.array_equal(one, same)
    }
    assert changed == {"conv_1", "cataract"}


@row("S3.13")
def test_it_begins_as_the_best_line(place: Place) -> None:
    encoder.ready(place)
    _, (weights, offset) = cataract_strong.straight(place)
    network = cataract_strong.build(place.out / encoder.FILE, (weights, offset))
    held = eyes(place.data, "validation")
    views = augment.unit([augment.squash(image, encoder.SIZE) for image in held.images])
    margins = encoder.rows(place, "validation")[0] @ weights + offset
    assert np.diff(keras.ops.convert_to_numpy(network(views, training=False)))[:, 0] == pytest.approx(margins, abs=1e-2)
    assert {one.name for one in network.layers if one.trainable and one.weights} == {"conv_1", "cataract"}
    keras.backend.clear_session()


def test_a_run_by_its_command_line_says_how_far_it_is(place: Place, tmp_path: Path) -> None:
    words = ["cataract_fast", "--data", str(place.data), "--out", str(tmp_path / "out"), "--scale", "0.01"]
    run(arguments().parse_args([*words, "--progress", str(tmp_path / "progress.json"), "--train-only"]))
    told = json.loads((tmp_path / "progress.json").read_text())
    assert (told["state"], told["step"], told["steps"]) == ("done", 59, grid.FOLDS * 12)
    assert {"cataract_fast.txt", "data.json", "eye_encoder.onnx"} <= set(told["files"])


@row("S3.14")
def test_figures_curve_and_matrix_are_right(tmp_path: Path) -> None:
    chances = np.array([0.9, 0.8, 0.8, 0.3, 0.6, 0.1], np.float32)
    positive = np.array([True, True, False, True, False, False])
    assert counts(chances, positive).tolist() == [[1, 2], [1, 2]]
    corners = curve(chances, positive)
    assert corners[:, 0] == pytest.approx([0, 0, 1 / 3, 2 / 3, 2 / 3, 1])
    assert corners[:, 1] == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 1, 1])
    under = float(np.sum(np.diff(corners[:, 0]) * (corners[1:, 1] + corners[:-1, 1]) / 2))
    area = Metric("AUROC", under, 0.4, 1.0, 6, "test part")
    draw(tmp_path, "m", chances, positive, area, ("normal", "cataract"))
    assert {file.name for file in tmp_path.iterdir()} == {"m.confusion_matrix.png", "m.roc_curve.png"}
    asked = eyes_of(positive)
    found = {one.name: one.value for one in plain(asked, chances)}
    assert found["AUROC"] == pytest.approx(under)
    assert found["precision"] == pytest.approx(2 / 4) and found["cataracts found"] == pytest.approx(2 / 3)
    assert found["F1"] == pytest.approx(4 / 7) and found["accuracy"] == pytest.approx(3 / 6)


def eyes_of(positive: Any) -> Any:
    from training.eyes import Eyes

    images = [np.zeros((8, 8, 3), np.uint8)] * len(positive)
    return Eyes(images, [str(k) for k in range(len(positive))], positive.astype(np.float32))
