"""Any network's layer becomes features: the same numbers, averaged over neighbours, from pixels as ours are."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from training.backbone import as_features

SIDE = 6
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def network(*shape: int | str) -> onnx.ModelProto:
    """Squares each pixel in the layer `middle`, and ends in something that is not asked for."""
    given = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, list(shape))
    found = helper.make_tensor_value_info("end", TensorProto.FLOAT, None)
    nodes = [
        helper.make_node("Mul", ["pixels", "pixels"], ["middle"]),
        helper.make_node("GlobalAveragePool", ["middle"], ["end"]),
    ]
    graph = helper.make_graph(nodes, "net", [given], [found])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("shape", [("N", 3, 224, 224), (1, 3, 32, 32), (1, SIDE, SIDE, 3)])
def test_features_are_the_layer_with_its_neighbours(shape: tuple[int | str, ...]) -> None:
    made = as_features(network(*shape), "middle", SIDE, MEAN, STD)
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(1).uniform(-1, 1, (2, SIDE, SIDE, 3)).astype(np.float32)
    (found,) = session.run(["embedding"], {"image": image})
    squares = ((image / 2 + 0.5 - MEAN) / STD) ** 2
    assert found.shape == (2, SIDE, SIDE, 3)
    assert found[:, 2, 3] == pytest.approx(squares[:, 1:4, 2:5].mean(axis=(1, 2)), rel=1e-4)
    assert found[:, 0, 0] == pytest.approx(squares[:, :2, :2].mean(axis=(1, 2)), rel=1e-4), "no border is made up"
    assert len(made.graph.node) == 7


def test_names_of_ours_in_the_network_do_no_harm() -> None:
    once = as_features(network("N", 3, 8, 8), "middle", SIDE)
    again = as_features(once, "embedding", SIDE, around=1)
    assert [value.name for value in (*again.graph.input, *again.graph.output)] == ["image", "embedding"]


def test_a_layer_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no layer nowhere"):
        as_features(network("N", 3, 8, 8), "nowhere", SIDE)
