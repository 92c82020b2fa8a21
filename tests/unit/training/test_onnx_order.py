"""Names that the converter made up do not show in the bytes; what the network answers stays."""

from __future__ import annotations

import random

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from training.onnx_order import settle_names

NODES = (
    ("Add", ("image", "a"), "b"),
    ("Mul", ("image", "c"), "d"),
    ("Sub", ("b", "d"), "out"),
    ("Relu", ("b",), "more"),
)


def model(seed: int) -> onnx.ModelProto:
    """The same network with other names and another order of weights and nodes."""
    rng = random.Random(seed)
    names = {
        name: name if name in {"image", "out", "more"} else f"{name}_{rng.random()}"
        for name in ["image", "a", "b", "c", "d", "out", "more"]
    }
    nodes = [helper.make_node(kind, [names[one] for one in given], [names[made]]) for kind, given, made in NODES]
    values = {"a": np.float32([1, 2]), "c": np.float32([3, 4]), "unused": np.float32([5])}
    weights = [numpy_helper.from_array(value, names.get(name, name)) for name, value in values.items()]
    rng.shuffle(weights)
    ordered = [nodes[0], nodes[1], *rng.sample(nodes[2:], 2)] if seed % 2 else [nodes[1], nodes[0], *nodes[2:]]
    place = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in ("image", "out", "more")]
    graph = helper.make_graph(ordered, "g", place[:1], place[1:], weights, doc_string=str(seed))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answer(made: onnx.ModelProto) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(["out", "more"], {"image": np.float32([[7, -9]])}))


def test_the_same_network_is_the_same_bytes() -> None:
    found = set()
    for seed in range(6):
        made = model(seed)
        before = answer(made)
        settle_names(made.graph)
        onnx.checker.check_model(made)
        assert all(np.array_equal(one, other) for one, other in zip(answer(made), before, strict=True))
        found.add(made.SerializeToString(deterministic=True))
    assert len(found) == 1
    assert b"unused" not in found.pop()
