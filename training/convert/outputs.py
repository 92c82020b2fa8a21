"""Outputs that a converted network has inside and that serving needs: logits before a softmax, maps of where.

Nodes are read and outputs added; no weight is touched.
"""

from __future__ import annotations

import copy
from typing import Final

import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURES: Final = "scanmill_features"
"""The last map before global average pooling, [N,K,h,w] or [N,h,w,K] as the network has it."""
LOGITS: Final = "scanmill_logits"


class Graph:
    """A copy of a model to which outputs are added."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = copy.deepcopy(model)
        self._graph = self.model.graph
        self._makers = {name: node for node in self._graph.node for name in node.output}
        self._constants = {tensor.name: tensor for tensor in self._graph.initializer}

    def add_features(self) -> None:
        """Make the input of the last global average pooling an output, if there is such a pooling."""
        for node in reversed(self._graph.node):
            if node.op_type == "GlobalAveragePool" or (node.op_type == "ReduceMean" and self._spatial(node)):
                self._add_output(FEATURES, node.input[0], rank=4)
                return

    def add_logits(self, output: str) -> tuple[str, str]:
        """What ``output`` ends in ("softmax", "sigmoid" or "none"), and the name of its logits.

        They are what enters the softmax. A sigmoid's one number z becomes the pair (0, z), whose softmax is (1 - p, p).
        """
        last = self._makers.get(output)
        while last is not None and last.op_type == "Identity":
            last = self._makers.get(last.input[0])
        if last is None or last.op_type not in ("Softmax", "Sigmoid"):
            return "none", output
        entering = last.input[0]
        if last.op_type == "Sigmoid":
            node = helper.make_node
            self._graph.node.append(node("Sub", [entering, entering], [f"{LOGITS}_nought"]))
            self._graph.node.append(node("Concat", [f"{LOGITS}_nought", entering], [f"{LOGITS}_pair"], axis=-1))
            entering = f"{LOGITS}_pair"
        self._add_output(LOGITS, entering, rank=2)
        return last.op_type.lower(), LOGITS

    def name_batch(self) -> None:
        """Call the first side of the input and of every output ``N``."""
        for value in (*self._graph.input, *self._graph.output):
            if value.type.tensor_type.shape.dim and value.name not in self._constants:
                value.type.tensor_type.shape.dim[0].dim_param = "N"

    def _add_output(self, name: str, tensor: str, rank: int) -> None:
        if name not in self._makers:
            shape = ["N", *[None] * (rank - 1)]
            self._graph.node.append(helper.make_node("Identity", [tensor], [name]))
            self._graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def _spatial(self, node: onnx.NodeProto) -> bool:
        """Whether a mean goes over height and width of a map, in either layout."""
        axes = next((list(one.ints) for one in node.attribute if one.name == "axes"), None)
        if axes is None and len(node.input) > 1 and node.input[1] in self._constants:
            axes = numpy_helper.to_array(self._constants[node.input[1]]).ravel().tolist()
        return axes is not None and sorted(int(axis) % 4 for axis in axes) in ([1, 2], [2, 3])
