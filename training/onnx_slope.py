"""Slopes of elementwise nodes in an ONNX graph, by forward-mode differentiation, written as more nodes."""

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from onnx import NodeProto, TensorProto

from training.onnx_edit import Edited, OtherFormError, attributes_of

ONE: Final = "one"
"""A slope that is 1 everywhere; not the name of a tensor."""
Slope: TypeAlias = str | None
"""Name of a tensor, ONE, or None where it is 0 everywhere."""


def slope(graph: Edited, name: str, root: int) -> Slope:
    """Slope of ``name`` by the output of node ``root``, element by element. Raises OtherFormError for other nodes."""
    index = graph.maker.get(name, -1)
    if index <= root:  # nodes are in order: what was made before cannot depend on it
        return ONE if index == root else None
    node = graph.node(index)
    given = [slope(graph, one, root) if one else None for one in node.input]
    if not any(given):
        return None
    if node.op_type not in RULES:
        raise OtherFormError(node.op_type)
    return RULES[node.op_type](graph, node, given)


def _product(graph: Edited, one: Slope, other: Slope) -> Slope:
    if one is None or other is None:
        return None
    if ONE in (one, other):
        return other if one == ONE else one
    return graph.add("Mul", one, other)


def _sum(graph: Edited, one: Slope, other: Slope, kind: str = "Add") -> Slope:
    if other is None:
        return one
    left, right = (graph.constant(1) if part == ONE else part for part in (one, other))
    if left is None:
        return right if kind == "Add" else graph.add("Neg", str(right))
    return graph.add(kind, left, str(right))


def _inside(graph: Edited, name: str, low: float | None, high: float | None) -> str:
    """1.0 where low < ``name`` < high, else 0.0; None is no limit."""
    sides = [graph.add("Greater", name, graph.constant(low))] if low is not None else []
    sides += [graph.add("Less", name, graph.constant(high))] if high is not None else []
    if not sides:
        raise OtherFormError("Clip without constant limits")
    both = sides[0] if len(sides) == 1 else graph.add("And", *sides)
    return graph.add("Cast", both, to=TensorProto.FLOAT)


# --- one node's own slope, times that of its input ------------------------------------------------------------------


def _same(_: Edited, __: NodeProto, given: list[Slope]) -> Slope:
    return given[0]


def _added(graph: Edited, node: NodeProto, given: list[Slope]) -> Slope:
    return _sum(graph, given[0], given[1], node.op_type)


def _multiplied(graph: Edited, node: NodeProto, given: list[Slope]) -> Slope:
    return _sum(graph, _product(graph, given[0], node.input[1]), _product(graph, node.input[0], given[1]))


def _divided(graph: Edited, node: NodeProto, given: list[Slope]) -> Slope:
    if given[1] is not None:
        raise OtherFormError("a divisor that depends on the convolution")
    return graph.add("Div", graph.constant(1) if given[0] == ONE else str(given[0]), node.input[1])


def _relu(graph: Edited, node: NodeProto, given: list[Slope]) -> Slope:
    return _product(graph, given[0], _inside(graph, node.input[0], 0, None))


def _clip(graph: Edited, node: NodeProto, given: list[Slope]) -> Slope:
    limits = [graph.value(name) if name else None for name in [*node.input[1:], "", ""][:2]]
    low, high = (None if limit is None else float(np.ravel(limit)[0]) for limit in limits)
    return _product(graph, given[0], _inside(graph, node.input[0], low, high))


def _sigmoid(graph: Edited, node: NodeProto, given: list[Slope]) -> Slope:
    out = node.output[0]
    return _product(graph, given[0], graph.add("Sub", out, graph.add("Mul", out, out)))


def _hard_sigmoid(graph: Edited, node: NodeProto, given: list[Slope]) -> Slope:
    alpha = graph.constant(attributes_of(node).get("alpha", 0.2))
    return _product(graph, given[0], graph.add("Mul", alpha, _inside(graph, node.output[0], 0, 1)))


def _hard_swish(graph: Edited, node: NodeProto, given: list[Slope]) -> Slope:
    x = node.input[0]
    line = graph.add("Add", graph.add("Mul", x, graph.constant(1 / 3)), graph.constant(0.5))
    middle = graph.add("Mul", line, _inside(graph, x, -3, 3))
    from_three = graph.add("Sub", graph.constant(1), _inside(graph, x, None, 3))
    return _product(graph, given[0], graph.add("Add", middle, from_three))


def _batch_norm(graph: Edited, node: NodeProto, given: list[Slope]) -> Slope:
    gamma, variance = graph.value(node.input[1]), graph.value(node.input[4])
    if gamma is None or variance is None:
        raise OtherFormError("a batch norm without constants")
    scale = gamma / np.sqrt(variance + attributes_of(node).get("epsilon", 1e-5))
    return _product(graph, given[0], graph.constant(scale.reshape(1, -1, 1, 1)))


RULES: Final[dict[str, Callable[[Edited, NodeProto, list[Slope]], Slope]]] = {
    "Identity": _same,
    "Dropout": _same,
    "Add": _added,
    "Sub": _added,
    "Mul": _multiplied,
    "Div": _divided,
    "Relu": _relu,
    "Clip": _clip,
    "Sigmoid": _sigmoid,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "BatchNormalization": _batch_norm,
}
