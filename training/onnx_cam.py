"""Grad-CAM added to an ONNX graph, for networks that come as a file: the closed form of `training.cam` as more nodes.

The activation's slope comes from forward-mode differentiation of the nodes between the last convolution and the
pooling, so it does not matter how a converter wrote it (swish is Sigmoid and Mul, hard swish is Add, Clip, Mul, Mul).
"""

from typing import Any, Final

import numpy as np
import onnx

from pipeline.models.explanation import Layer
from training.onnx_edit import Edited, OtherFormError, attributes_of
from training.onnx_slope import ONE, slope

CAM: Final = "scanmill_cam"
LOGITS: Final = "scanmill_logits"
_LEAST_OPSET: Final = 11
_BETWEEN: Final = ("Flatten", "Squeeze", "Reshape", "Dropout", "Identity")


def add_cam_outputs(model: onnx.ModelProto, layer: Layer = "top_conv") -> onnx.ModelProto | None:
    """A copy with two more outputs, ``CAM`` [N,h,w,C] (one map a class) and ``LOGITS`` [N,C]; None for other heads.

    The head must be global average pooling, (flatten), one float32 Gemm or MatMul with constant weights, (bias),
    (softmax); of several outputs the first that fits is taken. ``top_conv`` is the last convolution before its bias,
    where a batch norm that was folded into it keeps its shift: for a convolution without a bias of its own, which is
    the rule before a batch norm, that is the layer of the same name in Keras. It also needs nodes of known slope
    (`training.onnx_slope.RULES`) between convolution and pooling; ask for ``top_activation`` where it gives None.
    """
    graph = Edited(model)
    if graph.opset < _LEAST_OPSET or {CAM, LOGITS} & set(graph.maker):
        return None
    try:
        logits, pooled, weights = _head(graph)
        features, planes = _features(graph, graph.behind(pooled, _BETWEEN))
        if layer == "top_conv":
            if not planes:
                raise OtherFormError("a convolution's planes that are pooled in another order")
            features = _weighted(graph, features)
    except OtherFormError:
        return None
    if planes:
        features = graph.add("Transpose", features, perm=[0, 2, 3, 1])
    graph.add("MatMul", features, graph.constant(weights), named=CAM)
    graph.add("Identity", logits, named=LOGITS)
    graph.output(CAM, ["N", None, None, weights.shape[1]])
    graph.output(LOGITS, ["N", weights.shape[1]])
    return graph.model


def _head(graph: Edited) -> tuple[str, str, Any]:
    """Names of the logits and of what enters the dense layer, and its weights [K,C]."""
    for output in graph.model.graph.output:
        name = graph.behind(output.name, ("Identity", "Softmax"))
        node = graph.made_by(name)
        if node is not None and node.op_type == "Add":
            node = graph.made_by(next((one for one in node.input if graph.value(one) is None), ""))
        if node is None or node.op_type not in ("Gemm", "MatMul"):
            continue
        weights = graph.value(node.input[1])
        told = attributes_of(node)
        if weights is not None and weights.ndim == 2 and weights.dtype == np.float32 and not told.get("transA"):
            return name, node.input[0], (weights.T if told.get("transB") else weights) * told.get("alpha", 1.0)
    raise OtherFormError("no dense layer at the end")


def _features(graph: Edited, name: str) -> tuple[str, bool]:
    """The map whose average over each plane is ``name``, and whether it is [N,K,h,w] rather than [N,h,w,K]."""
    node = graph.made_by(name)
    if node is not None and node.op_type == "GlobalAveragePool":
        return node.input[0], True
    if node is None or node.op_type != "ReduceMean":
        raise OtherFormError("no global average pooling")
    axes = graph.value(node.input[1]) if len(node.input) > 1 else attributes_of(node).get("axes")
    over = {int(axis) % 4 for axis in axes} if axes is not None else set()
    if over not in ({1, 2}, {2, 3}):
        raise OtherFormError("a mean over other axes")
    before = graph.made_by(node.input[0])
    if over == {1, 2} and before is not None and before.op_type == "Transpose":
        if list(attributes_of(before)["perm"]) != [0, 2, 3, 1]:
            raise OtherFormError("planes in another order")
        return before.input[0], True
    return node.input[0], over == {2, 3}


def _weighted(graph: Edited, features: str) -> str:
    """The last convolution's planes [N,K,h,w], each times the mean slope of ``features`` by it."""
    index = graph.last_convolution(features)
    convolution = graph.node(index)
    gain = slope(graph, features, index)
    if gain is None:
        raise OtherFormError("the pooled map does not depend on the last convolution")
    planes = str(convolution.output[0])
    if len(convolution.input) > 2 and not _is_normed(graph, planes):
        bias = graph.value(convolution.input[2])
        if bias is None:
            raise OtherFormError("a bias that is computed")
        planes = graph.add("Sub", planes, graph.constant(bias.reshape(1, -1, 1, 1)))
    if gain == ONE:
        return planes
    return graph.add("Mul", planes, gain if gain in graph.constants else graph.add("GlobalAveragePool", gain))


def _is_normed(graph: Edited, planes: str) -> bool:
    """Whether a batch norm of its own follows, so that the bias is the convolution's."""
    return any(planes in node.input and node.op_type == "BatchNormalization" for node in graph.model.graph.node)
