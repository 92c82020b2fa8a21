"""How much arithmetic one picture needs, counted from the graph, and how fast this machine multiplies."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, shape_inference

_SIDE = 1536


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


def gemm_gflops(threads: int) -> float:
    """GFLOP/s of one large float32 product in ONNX Runtime: what no network can beat. Best of eight."""
    shape = [_SIDE, _SIDE]
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "abc"]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "gemm", sides[:2], sides[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    given = {name: rng.normal(size=shape).astype(np.float32) for name in "ab"}
    return 2.0 * _SIDE**3 / 1e6 / least(lambda: session.run(None, given), 8).ms


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds by the clock, and of processor time over all threads of this process: other work stretches only the former."""

    ms: float
    cpu_ms: float

    def per(self, count: int) -> list[float]:
        """``[ms, cpu_ms]`` of one of ``count``, to two decimals."""
        return [round(self.ms / count, 2), round(self.cpu_ms / count, 2)]


def least(work: Callable[[], object], times: int) -> Cost:
    """The least disturbed of ``times`` runs, after one that does not count."""
    return together({"": work}, times)[""]


def together(works: Mapping[str, Callable[[], object]], times: int) -> dict[str, Cost]:
    """The same for several, in turns, so that what disturbs one disturbs all."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for turn in range(times + 1):
        for name, work in works.items():
            began, used = time.perf_counter(), time.process_time()
            work()
            if turn:
                spent[name].append((time.perf_counter() - began, time.process_time() - used))
    return {name: Cost(*(min(column) * 1000 for column in zip(*rows, strict=True))) for name, rows in spent.items()}
