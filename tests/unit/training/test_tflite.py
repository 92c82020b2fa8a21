"""TFLite in floats and in int8 of a small network: named as ours, and equal to its ONNX file where they are served."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras
from keras import layers

from pipeline.models.litert import LiteRtSession
from training import tflite
from training.export import to_onnx
from training.networks import conv
from training.served import Served

RNG = np.random.default_rng(4)
IMAGES = RNG.normal(0, 1, (48, 8, 8, 3)).repeat(4, axis=1).repeat(4, axis=2).astype(np.float32)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Served:
    keras.utils.set_random_seed(2)
    image = keras.Input((32, 32, 3))
    pooled = layers.GlobalAveragePooling2D()(conv(conv(image, 8, stride=2), 16, stride=2))
    first, second = layers.Dense(4)(pooled), layers.Dense(3)(pooled)
    model = keras.Model(image, {"zebra": first, "apple": second})
    return Served(tmp_path_factory.mktemp("out") / "small.onnx", 32, ["zebra", "apple"], partial(model, training=False))


@pytest.fixture(scope="module")
def files(network: Served) -> dict[str, Path]:
    to_onnx(network)
    return {"small": network.file, **tflite.to_tflite(network, IMAGES)}


def test_files_and_names_are_ours(files: dict[str, Path]) -> None:
    assert {name: file.name for name, file in files.items()} == {
        "small": "small.onnx",
        "small_tflite": "small_float32.tflite",
        "small_int8": "small_int8.tflite",
    }
    for name, wanted in (("small_tflite", "float32"), ("small_int8", "int8")):
        session = LiteRtSession(files[name].read_bytes())
        assert session.input_names == {"image"} and session.output_names == {"zebra", "apple"}
        assert session.takes("image", wanted) and session.takes("image", "float32") and session.batch == 1


@pytest.mark.parametrize("output", ["zebra", "apple"])
def test_all_three_answer_alike(files: dict[str, Path], output: str) -> None:
    found: dict[str, Any] = {name: tflite.answers(file, IMAGES, output) for name, file in files.items()}
    assert np.abs(found["small_tflite"] - found["small"]).max() < 1e-4
    spread = np.ptp(found["small"])
    assert np.abs(found["small_int8"] - found["small"]).max() < 0.06 * spread
    assert (found["small_int8"].argmax(axis=1) == found["small"].argmax(axis=1)).mean() >= 0.9


def test_int8_is_int8_all_through(files: dict[str, Path]) -> None:
    interpreter = LiteRtSession(files["small_int8"].read_bytes())._interpreter
    kinds = {np.dtype(tensor["dtype"]).name for tensor in interpreter.get_tensor_details()}
    assert kinds <= {"int8", "int32"} and "int8" in kinds
    assert files["small_int8"].stat().st_size < files["small_tflite"].stat().st_size
