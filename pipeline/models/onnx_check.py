"""What an ONNX file may not contain: bytes kept elsewhere, and operators that somebody's library would have to bring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import onnx

from pipeline.errors import ModelLoadError

ALLOWED_DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""The standard's own, and the runtime's built-in fused ones; none needs a library to be loaded."""


def check_onnx(content: bytes) -> None:
    """Raise ModelLoadError unless these bytes are one complete, self-contained model."""
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
