"""Forms that must give the same numbers: ours and Keras', a network and its teacher's file, before and after a fold."""

from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from keras import layers
from onnx import TensorProto, helper, numpy_helper

from training import networks, revive, teacher, trainee

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("side", "stride", "padding"), [(3, 1, "same"), (3, 2, "same"), (5, 2, "same"), (5, 2, "valid"), (7, 1, "same")]
)
@pytest.mark.parametrize("length", [9, 12])
def test_the_shifted_form_is_the_depthwise_convolution(side: int, stride: int, padding: str, length: int) -> None:
    layer = networks.DepthwiseConv2D(side, strides=stride, padding=padding)
    images = RNG.normal(size=(2, length, length + 1, 5)).astype(np.float32)
    layer(images)  # makes its weights
    expected = np.asarray(layers.DepthwiseConv2D.call(layer, keras.ops.convert_to_tensor(images)))
    assert np.abs(np.asarray(layer.shifted(images)) - expected).max() < 1e-5


def nodes() -> list[onnx.NodeProto]:
    same = {"auto_pad": "SAME_UPPER", "kernel_shape": [3, 3]}
    return [
        helper.make_node("Conv", ["input", "w0", "b0"], ["a"], strides=[2, 2], group=1, **same),
        helper.make_node("Clip", ["a", "lo", "hi"], ["b"]),
        helper.make_node("Conv", ["b", "w1", "b1"], ["c"], strides=[1, 1], group=4, **same),
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["embedding"]),
        helper.make_node("Gemm", ["embedding", "w2", "b2"], ["logits"], transB=1),
    ]


def write_teacher(folder: Path, extra: list[onnx.NodeProto]) -> Path:
    shapes = {"w0": (4, 3, 3, 3), "b0": (4,), "w1": (4, 1, 3, 3), "b1": (4,), "w2": (7, 4), "b2": (7,)}
    weights = {name: RNG.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    weights |= {"lo": np.float32(0), "hi": np.float32(6)}
    graph = helper.make_graph(
        nodes() + extra,
        "teacher",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 12, 12])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("embedding", "logits")],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    file = folder / teacher.FILE
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(file))
    return file


def test_the_teacher_says_what_its_file_says(tmp_path: Path) -> None:
    session = onnxruntime.InferenceSession(str(write_teacher(tmp_path, [])), providers=["CPUExecutionProvider"])
    images = RNG.uniform(-1, 1, (2, 12, 12, 3)).astype(np.float32)
    expected = session.run(["embedding", "logits"], {"input": images.transpose(0, 3, 1, 2)})
    network = teacher.network(tmp_path)
    for found, wanted in zip(network(images), expected, strict=True):
        assert np.abs(np.asarray(found) - wanted).max() < 1e-4
    assert network.trainable_variables == []


def test_an_operation_the_teacher_should_not_have_is_refused(tmp_path: Path) -> None:
    write_teacher(tmp_path, [helper.make_node("Sin", ["logits"], ["other"])])
    with pytest.raises(ValueError, match="Sin"):
        teacher.network(tmp_path)


def small_network() -> networks.Network:
    image = keras.Input((8, 8, 3))
    x = layers.BatchNormalization()(networks.DepthwiseConv2D(3, padding="same", use_bias=False)(image))
    x = layers.Conv2D(4, 1, use_bias=False)(layers.ReLU()(x))
    return keras.Model(image, layers.Conv2D(2, 1)(layers.BatchNormalization()(x)))


def with_dense(network: networks.Network) -> networks.Network:
    pooled = layers.GlobalAveragePooling2D()(network.output)
    return keras.Model(network.input, layers.Dense(5)(pooled))


def test_a_folded_network_comes_back_with_its_batch_norms(tmp_path: Path) -> None:
    shapes = {"d": (3, 1, 3, 3), "m": (1, 3, 1, 1), "s": (1, 3, 1, 1), "k": (4, 3, 1, 1), "t": (4,), "e": (2, 4, 1, 1)}
    weights = {name: RNG.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    weights |= {name: RNG.normal(size=size).astype(np.float32) for name, size in (("u", 2), ("w", (2, 5)), ("v", 5))}
    steps = [
        helper.make_node("Conv", ["image", "d"], ["a"], group=3, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Mul", ["a", "m"], ["b"]),
        helper.make_node("Add", ["b", "s"], ["c"]),
        helper.make_node("Relu", ["c"], ["f"]),
        helper.make_node("Conv", ["f", "k", "t"], ["g"], kernel_shape=[1, 1]),
        helper.make_node("Conv", ["g", "e", "u"], ["h"], kernel_shape=[1, 1]),
        helper.make_node("ReduceMean", ["h"], ["i"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["i", "w"], ["j"]),
        helper.make_node("Add", ["j", "v"], ["out"]),
    ]
    graph = helper.make_graph(
        steps,
        "folded",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    file = tmp_path / "folded.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(file))
    images = RNG.normal(size=(6, 8, 8, 3)).astype(np.float32)
    network = with_dense(small_network())
    revive.into(network, file, images)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"image": images.transpose(0, 3, 1, 2)})
    assert np.abs(np.asarray(network(images)) - expected).max() < 1e-3
    trained = np.asarray(network(images, training=True))
    assert np.abs(trained - expected).max() < 1e-2, "in training the norms see their own statistics"


def test_the_rate_rises_and_falls() -> None:
    rates = [trainee.rate(1.0, step, 100) for step in range(100)]
    assert rates[0] < rates[4] == max(rates) == pytest.approx(1.0)
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] == pytest.approx(0.01, abs=0.01)


def test_settling_moves_statistics_and_nothing_else() -> None:
    network = small_network()
    taught = trainee.Trainee(network, trainee.signed, lambda outputs, wanted: keras.ops.mean((outputs - wanted) ** 2))
    for norm in networks.batch_norms(network):
        norm.momentum = trainee.MOMENTUM
    taught.compile(optimizer=trainee.optimizer(), jit_compile=False)
    pixels = RNG.integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    batches = iter([(pixels, np.zeros((4, 8, 8, 2), np.float32))] * 90)
    before = network.get_weights()
    trainee.settle(taught, batches, 80)
    moved = [np.abs(now - then).max() > 0 for now, then in zip(network.get_weights(), before, strict=True)]
    assert [variable.trainable for variable in network.weights] == [not change for change in moved]
    (norm, *_) = networks.batch_norms(network)
    seen = np.asarray(network.layers[1](trainee.signed(pixels)))
    mean = norm.get_weights()[2]
    assert mean == pytest.approx(seen.mean(axis=(0, 1, 2)) * (1 - trainee.MOMENTUM**80), abs=1e-3)
