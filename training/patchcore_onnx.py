"""A PatchCore memory behind its feature network, in one ONNX file: picture in, anomaly map and score out."""

from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from training.onnx_edit import Edited
from training.patchcore import Memory

FEATURES: Final = "embedding"
"""The feature network's output, [N,h,w,K]."""


def with_memory(features: onnx.ModelProto, memory: Memory, grid: tuple[int, int]) -> onnx.ModelProto:
    """The same arithmetic as `patchcore.scores`; outputs `score` [N] and `map` [N,h,w] alone. `grid` is (h, w)."""
    edited = Edited(features)
    height, width = grid
    patches = edited.add("Reshape", FEATURES, whole(edited, [-1, height * width, len(memory.scale)]))
    scaled = edited.add("Mul", patches, edited.constant(memory.scale))
    away = to_bank(edited, scaled, memory)
    least = edited.add("ReduceMin", away, axes=[2], keepdims=0)
    del edited.model.graph.output[:]
    edited.add("Reshape", least, whole(edited, [-1, height, width]), named="map")
    edited.add("Mul", edited.add("ReduceMax", least, axes=[1], keepdims=0), loneliness(edited, away, least, memory),
               named="score")  # fmt: skip
    edited.output("score", ["N"])
    edited.output("map", ["N", height, width])
    onnx.checker.check_model(edited.model)
    return edited.model


def to_bank(edited: Edited, scaled: str, memory: Memory) -> str:
    """Distances of every patch to every remembered one, [N,P,M]."""
    own = edited.add("ReduceSumSquare", scaled, axes=[2], keepdims=1)
    both = edited.add("MatMul", scaled, edited.constant(-2 * memory.bank.T))
    squares = edited.add("Add", edited.add("Add", own, both), edited.constant((memory.bank**2).sum(axis=1)))
    return edited.add("Sqrt", edited.add("Relu", squares))


def loneliness(edited: Edited, away: str, least: str, memory: Memory) -> str:
    """One minus the softmax of the strangest patch's nearest memory among that memory's neighbours, [N]."""
    top = edited.add("ArgMax", least, axis=1, keepdims=1)
    row = edited.add("GatherND", away, top, batch_dims=1)
    nearest = edited.add("ArgMin", row, axis=1, keepdims=0)
    crowd = edited.add("Gather", whole(edited, memory.around), nearest, axis=0)
    shares = edited.add("Softmax", edited.add("GatherElements", row, crowd, axis=1), axis=1)
    first = edited.add("Gather", shares, whole(edited, 0), axis=1)
    return edited.add("Sub", edited.constant(1.0), first)


def whole(edited: Edited, value: Any) -> str:
    """One more constant of whole numbers; its name."""
    given: NDArray[np.int64] = np.asarray(value, np.int64)
    name = f"whole_{len(edited.model.graph.initializer)}"
    edited.model.graph.initializer.append(numpy_helper.from_array(given, name))
    return name
