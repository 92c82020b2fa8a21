"""Real Keras files, converted, compared with what Keras said, and served."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from pipeline.models.onnx_check import check_onnx
from pipeline.models.room import ModelRoom
from pipeline.models.settings import ModelSettings
from tests.unit.training.convert.conftest import LABELS, description, expected
from training.convert import Accepted, accept
from training.convert.keep import add_to_pack
from training.convert.opened import open_session
from training.convert.proof import TOLERANCE


@pytest.fixture(scope="module")
def plain(keras_nets: Path, golden: list[Path]) -> Accepted:
    """`.h5`: convolution, batch norm, pooling, softmax."""
    return accept(keras_nets / "plain.h5", description(), golden)


@pytest.fixture(scope="module")
def efficient(keras_nets: Path) -> Accepted:
    """`.keras`: a nested body with squeeze and excitation, operators, one sigmoid."""
    return accept(keras_nets / "efficient.keras", description(name="ill", labels=("healthy", "ill")))


def run(accepted: Accepted, pictures: Any, *names: str) -> list[Any]:
    session = open_session("onnx", accepted.content)
    batch = pictures.astype(np.float32)
    given = accepted.entry["input"]["name"]
    rows = [session.run(given, batch[place : place + 1], names) for place in range(len(batch))]
    return [np.concatenate([row[name] for row in rows]) for name in names]


def served(accepted: Accepted, folder: Path) -> Any:
    add_to_pack(accepted, folder)
    return ModelRoom.open(ModelSettings(packs=str(folder))).load(accepted.entry["name"])


def test_nothing_that_reads_strangers_files_is_loaded_here() -> None:
    script = "import sys, training.convert, training.convert.keep; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert {"keras", "tensorflow", "torch", "h5py", "tf2onnx", "ai_edge_litert"} & set(loaded) == set()
    assert "training.convert.accept" in loaded


def test_an_h5_file_answers_as_before(plain: Accepted, keras_nets: Path) -> None:
    known = expected(keras_nets)
    (chances,) = run(plain, known["pictures"], "chances")
    assert np.abs(chances - known["plain"]).max() < 1e-5
    assert np.ptp(known["plain"], axis=0).max() > 1e-3, "pictures that differ are answered differently"


def test_a_file_of_keras_2_answers_as_before(keras_nets: Path) -> None:
    known = expected(keras_nets)
    old = accept(keras_nets / "old.h5", description(explain="none"))
    (chances,) = run(old, known["pictures"], "chances")
    assert np.abs(chances - known["plain"]).max() < 1e-5
    assert set(old.entry["outputs"]) == {"logits"}


def test_its_logits_and_its_feature_map_are_kept(plain: Accepted, keras_nets: Path) -> None:
    known = expected(keras_nets)
    assert plain.entry["outputs"]["logits"] == "scanmill_logits"
    logits, features = run(plain, known["pictures"], "scanmill_logits", "scanmill_features")
    assert np.abs(logits - known["logits"]).max() < 1e-4
    assert np.abs(features.mean(axis=(1, 2)) @ known["kernel"] + known["bias"] - logits).max() < 1e-4


def test_its_maps_are_grad_cam_of_the_last_convolution(plain: Accepted, keras_nets: Path, tmp_path: Path) -> None:
    """Their exactness is tested where they are made (test_cam.py); here, that they are those of this network."""
    known = expected(keras_nets)
    assert plain.entry["outputs"]["cam"] == "scanmill_cam"
    assert plain.entry["explanation"] == {"method": "grad-cam", "layer": "top_conv"}
    (maps,) = run(plain, known["pictures"], "scanmill_cam")
    assert maps.shape == (5, 32, 32, 3)
    assert np.abs(maps - known["maps"]).max() < 1e-4 * (1 + np.abs(known["maps"]).max())
    answers = served(plain, tmp_path / "mine").predict(list(known["pictures"]))
    assert all(answer.cam.shape == (32, 32) and answer.cam_for in LABELS for answer in answers)


def test_the_entry_says_what_the_file_is(plain: Accepted) -> None:
    entry = plain.model_entry
    assert (entry.runtime, entry.input.size, entry.input.layout) == ("onnx", (32, 32), "NHWC")
    assert entry.sha256 == hashlib.sha256(plain.content).hexdigest()
    assert entry.labels["logits"] == LABELS
    check_onnx(plain.content)
    model = onnx.load_from_string(plain.content)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


def test_the_proof_says_what_was_compared(plain: Accepted) -> None:
    assert plain.proof.pictures == 8
    assert set(plain.proof.largest) == {"chances"}
    assert 0 <= plain.proof.largest["chances"] < 1e-5 < plain.proof.tolerance == TOLERANCE
    assert set(plain.proof.golden) == {"chelsea.png", "coffee.png"}
    assert all(answer.split()[0] in LABELS for answer in plain.proof.golden.values())
    assert plain.proof.by.startswith("keras 3")


def test_serving_gives_the_label_that_keras_gave(plain: Accepted, keras_nets: Path, tmp_path: Path) -> None:
    known = expected(keras_nets)
    answers = served(plain, tmp_path / "mine").predict(list(known["pictures"]))
    for answer, chances in zip(answers, known["plain"], strict=True):
        assert max(answer.probabilities, key=answer.probabilities.get) == LABELS[chances.argmax()]
        assert list(answer.probabilities.values()) == pytest.approx(chances.tolist(), abs=1e-5)


def test_one_sigmoid_is_served_as_two_classes(efficient: Accepted, keras_nets: Path, tmp_path: Path) -> None:
    known = expected(keras_nets)
    answers = served(efficient, tmp_path / "mine").predict(list(known["pictures"]))
    ill = [answer.probabilities["ill"] for answer in answers]
    assert ill == pytest.approx(known["efficient"][:, 0].tolist(), abs=1e-5)
    assert len({round(chance, 5) for chance in ill}) > 1
    assert all(answer.cam is not None and answer.cam.ndim == 2 for answer in answers)
