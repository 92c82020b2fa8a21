"""How fast this machine multiplies, and what a piece of work costs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

_SIDE = 1536


def gemm(threads: int) -> float:
    """GFLOP per second of processor time in one large float32 product in ONNX Runtime: what no network beats."""
    shape = [_SIDE, _SIDE]
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "abc"]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "gemm", sides[:2], sides[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    given = {name: rng.normal(size=shape).astype(np.float32) for name in "ab"}
    return 2.0 * _SIDE**3 / 1e6 / least(lambda: session.run(None, given), 8).cpu_ms


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
