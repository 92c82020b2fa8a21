"""How much arithmetic one picture needs, counted from an ONNX graph."""

from math import prod

import onnx
from onnx import shape_inference


def gflop(content: bytes) -> float:
    """Billions of multiplications and additions in convolutions and matrix products for one picture."""
    model = onnx.load_model_from_string(content)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in inferred.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        shapes[value.name] = tuple(dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim)
    return sum(_flop(node, shapes) for node in inferred.node) / 1e9


def _flop(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> float:
    if node.op_type == "Conv":  # weights are [out, in / groups, h, w]
        return 2.0 * prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])
    if node.op_type in ("MatMul", "Gemm"):
        return 2.0 * prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]
    return 0.0
