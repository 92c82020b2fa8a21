"""Arithmetic of a graph against what was worked out by hand."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.arithmetic import gflop


def test_a_convolution_and_a_product() -> None:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 10, 10])
    found = helper.make_tensor_value_info("found", TensorProto.FLOAT, ["N", 8, 10, 5])
    weights = numpy_helper.from_array(np.zeros((8, 3, 3, 3), np.float32), "weights")
    matrix = numpy_helper.from_array(np.zeros((10, 5), np.float32), "matrix")
    nodes = [
        helper.make_node("Conv", ["image", "weights"], ["seen"], pads=[1, 1, 1, 1]),
        helper.make_node("MatMul", ["seen", "matrix"], ["found"]),
    ]
    graph = helper.make_graph(nodes, "two", [image], [found], [weights, matrix])
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    assert gflop(content) == pytest.approx((2 * 8 * 10 * 10 * 27 + 2 * 8 * 10 * 5 * 10) / 1e9)
    assert onnx.load_model_from_string(content).graph.name == "two"
