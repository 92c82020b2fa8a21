"""What an ONNX file may not contain: bytes kept elsewhere, operators of somebody's library, tensors that no scan needs.

All of it is looked at before the runtime allocates anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import onnx

from pipeline.errors import ModelLoadError

ALLOWED_DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""The standard's own, and the runtime's built-in fused ones; none needs a library to be loaded."""


MOST_BYTES: Final = 1536 * 2**20
"""Of a file; protobuf itself ends at 2 GiB."""
MOST_ELEMENTS: Final = 2**28
"""Of one tensor, as far as the file says its shape: 1 GiB of floats."""


def check_onnx(content: bytes) -> None:
    """Raise ModelLoadError unless these bytes are one complete, self-contained model."""
    if len(content) > MOST_BYTES:
        raise ModelLoadError(f"the ONNX model has {len(content)} bytes, more than {MOST_BYTES}")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # protobuf's own class comes from a package that ships no types
        raise ModelLoadError("this is not an ONNX model") from error
    if not model.graph.node or not model.graph.output:
        raise ModelLoadError("the ONNX model holds no graph")
    nodes, tensors = _contents(model)
    if strange := {node.domain for node in nodes} - ALLOWED_DOMAINS - {f.domain for f in model.functions}:
        raise ModelLoadError(f"the ONNX model uses operators of {sorted(strange)}")
    for tensor in tensors:
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise ModelLoadError("the ONNX model keeps weights in another file")
        if math.prod(tensor.dims) > MOST_ELEMENTS or min(tensor.dims, default=0) < 0:
            raise ModelLoadError(f"the ONNX model has a constant of shape {list(tensor.dims)}")
    _check_shapes(model)


def _check_shapes(model: onnx.ModelProto) -> None:
    """Refuse sizes that the file declares, or that follow from its constants: a few bytes can ask for a terabyte."""
    try:
        known = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception as error:  # InferenceError, ValidationError and protobuf's own
        raise ModelLoadError(f"the shapes in the ONNX model do not fit: {error}") from error
    for value in (*known.input, *known.value_info, *known.output):
        sides = [side.dim_value for side in value.type.tensor_type.shape.dim if side.HasField("dim_value")]
        if math.prod(sides) > MOST_ELEMENTS or min(sides, default=0) < 0:
            raise ModelLoadError(f"the ONNX model has a tensor of shape {sides}: {value.name[:60]!r}")


def _contents(model: onnx.ModelProto) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Every node and every constant, those of subgraphs and functions included."""
    nodes = [node for function in model.functions for node in _below(function.node)]
    tensors: list[onnx.TensorProto] = []
    graphs = [model.graph]
    nodes += _below(model.graph.node)
    graphs += [graph for node in nodes for graph in _subgraphs(node)]
    for graph in graphs:
        tensors += graph.initializer
        tensors += [part for sparse in graph.sparse_initializer for part in (sparse.values, sparse.indices)]
    for attribute in (attribute for node in nodes for attribute in node.attribute):
        tensors += [attribute.t, *attribute.tensors]
        sparse_tensors = [attribute.sparse_tensor, *attribute.sparse_tensors]
        tensors += [part for sparse in sparse_tensors for part in (sparse.values, sparse.indices)]
    return nodes, tensors


def _below(nodes: Sequence[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for graph in _subgraphs(node):
            yield from _below(graph.node)


def _subgraphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    found: list[onnx.GraphProto] = []
    for attribute in node.attribute:
        found += [attribute.g] if attribute.HasField("g") else []
        found += attribute.graphs
    return found
