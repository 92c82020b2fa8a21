"""Quantised TFLite in and out: by hand, against LiteRT's own operator, and a whole network that TensorFlow quantised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from pipeline.errors import ModelLoadError
from pipeline.models.litert import LiteRtSession
from pipeline.models.quantised import Quantisation
from tests.unit.pipeline import tiny_runtimes as tiny

INT8, UINT8 = np.dtype(np.int8), np.dtype(np.uint8)
SHAPE = (1, 2, 2, 3)


@pytest.mark.parametrize(
    ("how", "real", "stored"),
    [
        (Quantisation(0.5, 3, INT8), [0, 1, -1, 0.26, -0.26, 0.24], [3, 5, 1, 4, 2, 3]),
        (Quantisation(0.5, 3, INT8), [0.25, 0.75, -0.25, -0.75], [3, 5, 3, 1]),  # halves: 0.5, 1.5, -0.5, -1.5 steps
        (Quantisation(0.5, 3, INT8), [62, 62.5, 1e9, -65.5, -66, -1e9], [127, 127, 127, -128, -128, -128]),
        (Quantisation(1 / 128, 128, UINT8), [-1, -0.9999, 0, 0.9921875, 1, 2], [0, 0, 128, 255, 255, 255]),
        (Quantisation(1 / 256, -128, INT8), [0, 0.5, 0.99609375, 1], [-128, 0, 127, 127]),
    ],
)
def test_real_numbers_are_stored_as_computed_by_hand(how: Quantisation, real: list[float], stored: list[int]) -> None:
    found = how.store(np.array(real, np.float32))
    assert found.dtype == how.dtype and found.tolist() == stored


@pytest.mark.parametrize(
    ("how", "stored", "real"),
    [
        (Quantisation(0.5, 3, INT8), [3, 4, -128, 127], [0, 0.5, -65.5, 62]),
        (Quantisation(1 / 256, 0, UINT8), [0, 1, 255], [0, 1 / 256, 255 / 256]),
        (Quantisation(1 / 256, -128, INT8), [-128, 127], [0, 255 / 256]),
    ],
)
def test_stored_numbers_are_read_as_computed_by_hand(how: Quantisation, stored: list[int], real: list[float]) -> None:
    found = how.real(np.array(stored, how.dtype))
    assert found.dtype == np.float32 and found.tolist() == real


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("scale", [0.5, 0.0078125, 0.0037])  # halves are exact with the first two only
def test_the_way_in_is_that_of_litert_s_own_operator(dtype: str, scale: float) -> None:
    zero_point = {"int8": -7, "uint8": 120}[dtype]
    rng = np.random.default_rng(5)
    halves = scale * np.array([0.5, 1.5, -0.5, -1.5]) if scale != 0.0037 else np.zeros(4)
    values = np.concatenate([rng.normal(0, 100 * scale, 2994), halves, [1e6, -1e6]])
    real = values.astype(np.float32).reshape(1, 10, 100, 3)
    stored = tiny.Tensor("out", dtype, real.shape, (scale,), (zero_point,))
    interpreter = Interpreter(
        model_content=tiny.tflite(tiny.QUANTISE, tiny.Tensor("in", "float32", real.shape), stored)
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, real)
    interpreter.invoke()
    assert np.array_equal(Quantisation(scale, zero_point, np.dtype(dtype)).store(real), interpreter.get_tensor(1))


def test_a_session_quantises_what_goes_in_and_dequantises_what_comes_out() -> None:
    real = np.array([0, 0.26, -0.26, 62, 1e9, -1e9, 1, 2, 3, 4, 5, 6], np.float32).reshape(SHAPE)
    expected = [0, 0.5, -0.5, 62, 62, -65.5, 1, 2, 3, 4, 5, 6]
    stored, plain = {"scales": (0.5,), "zero_points": (3,)}, tiny.Tensor("out", "float32")
    into = LiteRtSession(tiny.tflite(tiny.DEQUANTISE, tiny.Tensor("in", "int8", **stored), plain))  # type: ignore[arg-type]
    assert into.run("in", real, ["out"])["out"].ravel().tolist() == expected
    out = LiteRtSession(tiny.tflite(tiny.QUANTISE, tiny.Tensor("in", "float32"), tiny.Tensor("out", "int8", **stored)))  # type: ignore[arg-type]
    found = out.run("in", real, ["out"])["out"]
    assert found.dtype == np.float32 and found.ravel().tolist() == expected


def test_bytes_for_a_quantised_input_of_the_same_type_pass_as_they_are() -> None:
    source = tiny.Tensor("in", "uint8", scales=(1 / 128,), zero_points=(128,))
    session = LiteRtSession(tiny.tflite(tiny.DEQUANTISE, source, tiny.Tensor("out", "float32")))
    pixels = np.array([0, 128, 255] * 4, np.uint8).reshape(SHAPE)
    assert session.run("in", pixels, ["out"])["out"].ravel().tolist() == [-1, 0, 127 / 128] * 4


def test_a_graph_says_how_many_pictures_a_pass_carries() -> None:
    for shape in (SHAPE, (4, 2, 2, 3)):
        source = tiny.Tensor("in", "uint8", shape, (0.5,), (0,))
        session = LiteRtSession(tiny.tflite(tiny.DEQUANTISE, source, tiny.Tensor("out", "float32", shape)))
        assert session.batch == shape[0]
        assert session.run("in", np.ones(shape, np.float32), ["out"])["out"].shape == shape


@pytest.mark.parametrize("batch", [np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.float64)])
def test_a_manifest_whose_numbers_the_network_does_not_take_is_told(batch: Any) -> None:
    source = tiny.Tensor("in", "int8", scales=(0.5,), zero_points=(0,))
    session = LiteRtSession(tiny.tflite(tiny.DEQUANTISE, source, tiny.Tensor("out", "float32")))
    with pytest.raises(ModelLoadError, match="the network takes int8"):
        session.run("in", batch, ["out"])


@pytest.mark.parametrize(
    ("scales", "zero_points"),
    [((0.5, 0.25, 0.1), (0, 0, 0)), ((-0.5,), (0,)), ((float("nan"),), (0,)), ((0.5,), (300,))],
)
def test_a_scale_that_cannot_be_is_refused(scales: tuple[float, ...], zero_points: tuple[int, ...]) -> None:
    source = tiny.Tensor("in", "int8", scales=scales, zero_points=zero_points)
    with pytest.raises(ModelLoadError):
        LiteRtSession(tiny.tflite(tiny.DEQUANTISE, source, tiny.Tensor("out", "float32")))


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs:UserWarning")
def test_a_network_that_tensorflow_quantised_answers_as_the_one_in_floats() -> None:
    """Convolution, pooling and a dense layer, all int8 inside and out, made here by TensorFlow's converter."""
    tensorflow = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(11)
    examples = rng.uniform(-1, 1, (40, 16, 16, 3)).astype(np.float32)
    tensorflow.keras.utils.set_random_seed(3)
    layers = tensorflow.keras.layers
    network = tensorflow.keras.Sequential(
        [
            layers.Input((16, 16, 3), 1),
            layers.Conv2D(8, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax"),
        ]
    )
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row[None]] for row in examples)
    converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tensorflow.int8
    session = LiteRtSession(converter.convert())
    ((name, _),), (output,) = session.input_shapes.items(), session.output_names
    for row in examples[:8]:
        found = session.run(name, row[None], [output])[output]
        np.testing.assert_allclose(found, network(row[None]).numpy(), atol=0.02)
        assert found.dtype == np.float32 and found.sum() == pytest.approx(1, abs=0.02)
