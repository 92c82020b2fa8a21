"""Read and extend an ONNX graph by the names of its tensors; nothing that is there is changed."""

import copy
import itertools
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


class OtherFormError(Exception):
    """The graph does not have the form that is asked for."""


class Edited:
    """A copy of a model that grows at its end."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = copy.deepcopy(model)
        graph = self.model.graph
        self.maker = {name: index for index, node in enumerate(graph.node) for name in node.output}
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.constants[node.output[0]] = node.attribute[0].t
        taken = {*self.maker, *self.constants}
        self._names = (name for number in itertools.count() if (name := f"scanmill_{number}") not in taken)

    @property
    def opset(self) -> int:
        """Version of the standard's operators, 0 if it names none."""
        return next((one.version for one in self.model.opset_import if one.domain in ("", "ai.onnx")), 0)

    def node(self, index: int) -> onnx.NodeProto:
        found: onnx.NodeProto = self.model.graph.node[index]
        return found

    def made_by(self, name: str) -> onnx.NodeProto | None:
        """The node that makes a tensor; None for inputs and weights."""
        return self.node(self.maker[name]) if name in self.maker else None

    def value(self, name: str) -> Any:
        """A constant's array, or None."""
        return numpy_helper.to_array(self.constants[name]) if name in self.constants else None

    def behind(self, name: str, kinds: tuple[str, ...]) -> str:
        """The first tensor before ``name`` that no node of ``kinds`` has made."""
        while (node := self.made_by(name)) is not None and node.op_type in kinds:
            name = node.input[0]
        return name

    def needed(self, name: str) -> list[int]:
        """Indices of the nodes that a tensor depends on, its own maker among them, in order."""
        seen: set[int] = set()
        waiting = [name]
        while waiting:
            index = self.maker.get(waiting.pop())
            if index is not None and index not in seen:
                seen.add(index)
                waiting += self.node(index).input
        return sorted(seen)

    def last_convolution(self, name: str) -> int:
        """Index of the last Conv that a tensor depends on. Raises OtherFormError."""
        found = [index for index in self.needed(name) if self.node(index).op_type == "Conv"]
        if not found:
            raise OtherFormError("no convolution")
        return found[-1]

    def add(self, kind: str, *inputs: str, named: str | None = None, **attributes: Any) -> str:
        """One more node; the name of its output."""
        name = named or next(self._names)
        self.model.graph.node.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, value: Any) -> str:
        """One more float32 constant; its name."""
        tensor = numpy_helper.from_array(np.asarray(value, np.float32), next(self._names))
        self.model.graph.initializer.append(tensor)
        self.constants[tensor.name] = tensor
        return tensor.name

    def output(self, name: str, shape: list[Any]) -> None:
        """Make a float32 tensor an output of the model."""
        self.model.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes as Python values."""
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}
