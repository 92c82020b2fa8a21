"""Outputs that a network has inside and that serving needs: logits before a softmax, and maps of where.

Nodes are read and added; no weight is touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.models.explanation import Layer
from training.onnx_cam import CAM, LOGITS, add_cam_outputs
from training.onnx_edit import Edited, attributes_of

FEATURES: Final = "scanmill_features"
"""The last map before global average pooling, [N,h,w,K]."""
PAIR: Final = "scanmill_pair"
MAP: Final = "scanmill_map"


@dataclass(frozen=True)
class Head:
    """How a classifier ends: ``kind`` "softmax", "sigmoid" or "none"; names of its logits, and of its maps or "".

    ``layer``: of which layer the maps are, None without maps.
    """

    kind: str
    logits: str
    cam: str = ""
    layer: Layer | None = None


def with_head(model: onnx.ModelProto, output: str, layers: tuple[Layer, ...] = ()) -> tuple[onnx.ModelProto, Head]:
    """The model with the logits behind ``output``, and with maps at the first of ``layers`` that gives some.

    Logits are what enters a softmax. A sigmoid's one number z becomes the pair (0, z), whose softmax is (1 - p, p); its
    one map is that of the pair's difference.
    """
    graph = Edited(model)
    entering = graph.behind(output, ("Identity",))
    last = graph.made_by(entering)
    kind = "none" if last is None else {"Softmax": "softmax", "Sigmoid": "sigmoid"}.get(last.op_type, "none")
    if kind != "none" and last is not None:
        entering = last.input[0]
    mapped, layer = _with_maps(model, entering, layers)
    graph = graph if mapped is None else Edited(mapped)
    cam = CAM if mapped is not None else ""
    if kind == "sigmoid":
        return _as_pair(graph, entering, cam, layer)
    if mapped is None and kind == "softmax":
        graph.add("Identity", entering, named=LOGITS)
        graph.output(LOGITS, ["N", None])
    return graph.model, Head(kind, output if mapped is None and kind == "none" else LOGITS, cam, layer)


def _with_maps(
    model: onnx.ModelProto, entering: str, layers: tuple[Layer, ...]
) -> tuple[onnx.ModelProto | None, Layer | None]:
    """`add_cam_outputs` for this head and no other; None where its closed form does not hold."""
    alone = Edited(model).model
    outputs = list(alone.graph.output)
    del alone.graph.output[:]
    alone.graph.output.append(helper.make_tensor_value_info(entering, TensorProto.FLOAT, ["N", None]))
    for layer in layers:
        try:
            made = add_cam_outputs(alone, layer)
        except (onnx.checker.ValidationError, ValueError):  # not a graph that the checker calls complete
            made = None
        if made is not None:
            added = [value for value in made.graph.output if value.name in (CAM, LOGITS)]
            del made.graph.output[:]
            made.graph.output.extend([*outputs, *added])
            return made, layer
    return None, None


def _as_pair(graph: Edited, entering: str, cam: str, layer: Layer | None) -> tuple[onnx.ModelProto, Head]:
    graph.add("Concat", graph.add("Sub", entering, entering), entering, named=PAIR, axis=-1)
    graph.output(PAIR, ["N", None])
    if cam:
        graph.model.graph.initializer.append(numpy_helper.from_array(np.array(0, np.int64), f"{MAP}_class"))
        graph.add("Gather", cam, f"{MAP}_class", named=MAP, axis=3)  # of the one class there is
        graph.output(MAP, ["N", None, None])
    return graph.model, Head("sigmoid", PAIR, MAP if cam else "", layer)


def with_features(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the map before its last global average pooling, if it has such a pooling."""
    graph = Edited(model)
    if FEATURES in graph.maker:
        return graph.model
    for node in reversed(model.graph.node):
        planes = _pools_planes(graph, node)
        if planes is not None:
            how: dict[str, Any] = {"perm": [0, 2, 3, 1]} if planes else {}
            graph.add("Transpose" if planes else "Identity", node.input[0], named=FEATURES, **how)
            graph.output(FEATURES, ["N", None, None, None])
            break
    return graph.model


def _pools_planes(graph: Edited, node: onnx.NodeProto) -> bool | None:
    """Whether a node averages planes [N,K,h,w] (True) or [N,h,w,K] (False); None if it does neither."""
    if node.op_type == "GlobalAveragePool":
        return True
    if node.op_type != "ReduceMean":
        return None
    axes = graph.value(node.input[1]) if len(node.input) > 1 else attributes_of(node).get("axes")
    over = sorted(int(axis) % 4 for axis in axes) if axes is not None else []
    return {(1, 2): False, (2, 3): True}.get((over[0], over[1]) if len(over) == 2 else (0, 0))


def name_batch(model: onnx.ModelProto) -> None:
    """Call the first side of the input and of every output ``N``, in place."""
    for value in (*model.graph.input, *model.graph.output):
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "N"
