"""Maps added to ONNX files, as other exporters write them, against slopes taken by difference in double precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.onnx_cam import CAM, LOGITS, add_cam_outputs

RNG = np.random.default_rng(4)
PLANES, CLASSES = 5, 3
KERNEL = RNG.normal(size=(PLANES, 3, 3, 3)).astype(np.float32)
BIAS, BETA, MEAN = (RNG.normal(size=PLANES).astype(np.float32) for _ in range(3))
GAMMA, VARIANCE = (RNG.uniform(0.5, 2, PLANES).astype(np.float32) for _ in range(2))
DENSE = RNG.normal(size=(PLANES, CLASSES)).astype(np.float32)
OFFSET = RNG.normal(size=CLASSES).astype(np.float32)
IMAGE = RNG.normal(0, 1, (2, 3, 9, 9)).astype(np.float32)
CONSTANTS: dict[str, Any] = {
    "kernel": KERNEL, "bias": BIAS, "gamma": GAMMA, "beta": BETA, "mean": MEAN, "variance": VARIANCE,
    "dense": DENSE, "dense_t": DENSE.T.copy(), "offset": OFFSET, "zero": np.float32(0), "six": np.float32(6),
    "three": np.float32(3), "sixth": np.float32(1 / 6), "spatial": np.array([2, 3]), "flat": np.array([0, -1]),
}  # fmt: skip


def node(kind: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), [output], **attributes)


CONV, CONV_BIAS = node("Conv", "image kernel", "z"), node("Conv", "image kernel bias", "z")
NORM = node("BatchNormalization", "z gamma beta mean variance", "b", epsilon=1e-3)
POOL, FLAT = node("GlobalAveragePool", "a", "g"), node("Flatten", "g", "f")
GEMM, SOFTMAX = node("Gemm", "f dense offset", "l"), node("Softmax", "l", "p", axis=1)
HEAD = [POOL, FLAT, GEMM, SOFTMAX]


def network(nodes: Sequence[onnx.NodeProto], output: str = "p", opset: int = 17) -> onnx.ModelProto:
    used = {name for one in nodes for name in one.input}
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in CONSTANTS.items() if name in used]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 9, 9])
    found = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    graph = helper.make_graph(list(nodes), "made", [image], [found], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def run(model: onnx.ModelProto, *names: str) -> list[Any]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(list(names), {"image": IMAGE}))


def convolved() -> Any:
    """[2,5,7,7], without a bias."""
    return run(network([CONV], "z"), "z")[0].astype(np.float64)


def along(plane: Any) -> Any:
    return np.asarray(plane, np.float64).reshape(1, -1, 1, 1)


def expected(before: Any, activated: Callable[[Any], Any], planes: Any) -> Any:
    """[2,7,7,3]: ``planes`` times the mean slope of ``activated`` at ``before``, times the dense weights."""
    step = 1e-6
    slope = (activated(before + step) - activated(before - step)) / (2 * step)
    weighted = planes * slope.mean(axis=(2, 3), keepdims=True)
    return np.einsum("nkhw,kc->nhwc", weighted, DENSE.astype(np.float64))


def hard_swish(x: Any) -> Any:
    return x * np.clip(x + 3, 0, 6) / 6


ROOT = along(np.sqrt(VARIANCE + 1e-3))
CASES: dict[str, tuple[list[onnx.NodeProto], Callable[[Any], Any]]] = {
    "relu": ([node("Relu", "b", "a")], lambda x: np.maximum(x, 0)),
    "relu6": ([node("Clip", "b zero six", "a")], lambda x: np.clip(x, 0, 6)),
    "clip without an upper end": ([node("Clip", "b zero", "a")], lambda x: np.maximum(x, 0)),
    "swish": ([node("Sigmoid", "b", "s"), node("Mul", "b s", "a")], lambda x: x / (1 + np.exp(-x))),
    "hard swish": ([node("HardSwish", "b", "a")], hard_swish),
    "hard swish in parts": (
        [node("HardSigmoid", "b", "h", alpha=1 / 6), node("Mul", "h b", "a")],
        hard_swish,
    ),
    "hard swish in more parts": (
        [
            node("Add", "b three", "t"),
            node("Clip", "t zero six", "c"),
            node("Div", "c six", "d"),
            node("Mul", "b d", "a"),
        ],
        hard_swish,
    ),
    "less than itself": ([node("Relu", "b", "r"), node("Sub", "three r", "a")], lambda x: 3 - np.maximum(x, 0)),
    "nothing": ([node("Identity", "b", "a")], lambda x: x),
}


@pytest.mark.parametrize("case", CASES)
def test_with_a_batch_norm_of_its_own_the_convolution_keeps_its_bias(case: str) -> None:
    tail, activated = CASES[case]
    widened = add_cam_outputs(network([CONV_BIAS, NORM, *tail, *HEAD]))
    assert widened is not None
    z = convolved() + along(BIAS)
    wanted = expected(z, lambda x: activated((x - along(MEAN)) / ROOT * along(GAMMA) + along(BETA)), z)
    assert np.abs(run(widened, CAM)[0] - wanted).max() < 2e-4 * np.abs(wanted).max()


@pytest.mark.parametrize("case", CASES)
def test_a_bias_that_was_a_batch_norm_s_shift_is_left_out(case: str) -> None:
    tail, activated = CASES[case]
    tail = [node(one.op_type, " ".join(one.input).replace("b", "z", 1) if "b" in one.input else " ".join(one.input),
                 one.output[0], **{a.name: helper.get_attribute_value(a) for a in one.attribute}) for one in tail]  # fmt: skip
    widened = add_cam_outputs(network([CONV_BIAS, *tail, *HEAD]))
    assert widened is not None
    wanted = expected(convolved() + along(BIAS), activated, convolved())
    assert np.abs(run(widened, CAM)[0] - wanted).max() < 2e-4 * np.abs(wanted).max()


HEADS: dict[str, list[onnx.NodeProto]] = {
    "flatten, gemm": [POOL, FLAT, GEMM],
    "turned weights": [POOL, FLAT, node("Gemm", "f dense_t offset", "l", transB=1, alpha=1.0)],
    "matmul, add": [POOL, FLAT, node("MatMul", "f dense", "m"), node("Add", "m offset", "l")],
    "add the other way round": [POOL, FLAT, node("MatMul", "f dense", "m"), node("Add", "offset m", "l")],
    "squeeze": [POOL, node("Squeeze", "g spatial", "f"), GEMM],
    "reshape": [POOL, node("Reshape", "g flat", "f"), GEMM],
    "mean": [node("ReduceMean", "a", "f", axes=[2, 3], keepdims=0), GEMM],
    "mean from behind": [node("ReduceMean", "a", "f", axes=[-1, -2], keepdims=0), GEMM],
    "mean of the other layout": [
        node("Transpose", "a", "n", perm=[0, 2, 3, 1]), node("ReduceMean", "n", "f", axes=[1, 2], keepdims=0), GEMM,
    ],
}  # fmt: skip


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("head", HEADS)
def test_every_way_to_write_the_head(head: str, softmax: bool) -> None:
    nodes = [CONV, node("Relu", "z", "a"), *HEADS[head], *([SOFTMAX] if softmax else [])]
    model = network(nodes, "p" if softmax else "l")
    for layer in ("top_conv", "top_activation"):
        widened = add_cam_outputs(model, layer)
        assert widened is not None
        cam, logits, own = run(widened, CAM, LOGITS, model.graph.output[0].name)
        z, a = convolved(), np.maximum(convolved(), 0)
        plain = np.einsum("nkhw,kc->nhwc", a, DENSE)
        wanted = plain if layer == "top_activation" else expected(z, lambda x: np.maximum(x, 0), z)
        assert np.abs(cam - wanted).max() < 2e-4 * np.abs(wanted).max()
        assert np.allclose(logits, plain.mean(axis=(1, 2)) + OFFSET, atol=1e-4)
        assert np.allclose(own, run(model, model.graph.output[0].name)[0], atol=1e-5), "what was there still answers"
    assert {CAM, LOGITS}.isdisjoint(one.name for one in model.graph.output), "the model that was given is as it was"


def test_the_mean_over_axes_given_as_an_input() -> None:
    model = network([CONV, node("Relu", "z", "a"), node("ReduceMean", "a spatial", "f", keepdims=0), GEMM], "l", 18)
    assert add_cam_outputs(model) is not None


def test_a_shortcut_beside_the_last_convolution_has_no_slope() -> None:
    first = node("Conv", "image kernel bias", "shortcut")
    widened = add_cam_outputs(network([first, CONV, node("Add", "shortcut z", "r"), node("Relu", "r", "a"), *HEAD]))
    assert widened is not None
    z = convolved()
    wanted = expected(z, lambda x: np.maximum(x + z + along(BIAS), 0), z)
    assert np.abs(run(widened, CAM)[0] - wanted).max() < 2e-4 * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("nodes", "output"),
    [
        ([CONV, node("Relu", "z", "a"), node("GlobalMaxPool", "a", "g"), FLAT, GEMM], "l"),
        ([CONV, node("Relu", "z", "a"), POOL, FLAT], "f"),
        ([CONV, node("Relu", "z", "a"), POOL, FLAT, GEMM, node("Relu", "l", "m")], "m"),
        ([CONV, node("Relu", "z", "a"), POOL, FLAT, node("Gemm", "f dense offset", "l"), node("Sigmoid", "l", "p")], "p"),
        ([CONV, node("Relu", "z", "a"), node("ReduceMean", "a", "f", axes=[1, 2], keepdims=0), GEMM], "l"),
        ([CONV, node("Selu", "z", "a"), *HEAD], "p"),
        ([CONV, node("MaxPool", "z", "a", kernel_shape=[2, 2]), *HEAD], "p"),
        ([node("Relu", "image", "a"), POOL, FLAT, GEMM], "l"),
        ([CONV, node("Relu", "z", "a"), node("Sigmoid", "z", CAM), *HEAD], "p"),
    ],
)  # fmt: skip
def test_other_forms_are_refused(nodes: list[onnx.NodeProto], output: str) -> None:
    assert add_cam_outputs(network(nodes, output)) is None


def test_an_activation_of_unknown_slope_still_has_its_map_at_the_activation() -> None:
    assert add_cam_outputs(network([CONV, node("Selu", "z", "a"), *HEAD]), "top_activation") is not None


def test_an_old_file_is_refused() -> None:
    assert add_cam_outputs(network([CONV, node("Relu", "z", "a"), *HEAD], opset=10)) is None
