"""Tiny real models of the other runtimes, made here and now: TFLite graphs of one operator, LightGBM texts, a cascade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import lightgbm
import numpy as np
from ai_edge_litert import schema_py_generated as schema

QUANTISE, DEQUANTISE = schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE
TYPES = {"float32": schema.TensorType.FLOAT32, "int8": schema.TensorType.INT8, "uint8": schema.TensorType.UINT8}


@dataclass(frozen=True)
class Tensor:
    """One tensor of a graph; without scales it is not quantised."""

    name: str
    dtype: str
    shape: tuple[int, ...] = (1, 2, 2, 3)
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()


def tflite(operator: int, source: Tensor, target: Tensor) -> bytes:
    """A graph that applies one operator to its only input."""
    model, graph, step, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorT(), schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = operator, min(operator, 127), 1
    step.opcodeIndex, step.inputs, step.outputs = 0, [0], [1]
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [_tensor(source), _tensor(target)], [0], [1], [step]
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _tensor(given: Tensor) -> Any:
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = given.name, list(given.shape), TYPES[given.dtype], 0
    if given.scales:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = list(given.scales), list(given.zero_points)
    return made


def boosted(classes: int = 2, names: Sequence[str] = ("red", "green", "blue"), trees: int = 4) -> bytes:
    """A LightGBM text: the class is the largest of the first ``classes`` numbers; of two, whether the second is."""
    rng = np.random.default_rng(7)
    values = rng.uniform(0, 1, (400, len(names)))
    truth = values[:, :classes].argmax(axis=1)
    settings = {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}
    settings |= {"num_threads": 1, "verbosity": -1, "deterministic": True, "seed": 1, "num_leaves": 7}
    booster = lightgbm.train(settings, lightgbm.Dataset(values, truth, feature_name=list(names)), trees)
    return str(booster.model_to_string()).encode()


CASCADE = """<?xml version="1.0"?>
<opencv_storage>
<cascade type_id="opencv-cascade-classifier"><stageType>BOOST</stageType><featureType>HAAR</featureType>
  <height>20</height><width>20</width>
  <stageParams><maxWeakCount>1</maxWeakCount></stageParams>
  <featureParams><maxCatCount>0</maxCatCount></featureParams>
  <stageNum>1</stageNum>
  <stages>
    <_><maxWeakCount>1</maxWeakCount><stageThreshold>0.5</stageThreshold>
      <weakClassifiers><_><internalNodes>0 -1 0 -1.0</internalNodes><leafValues>1. 0.</leafValues></_></weakClassifiers></_></stages>
  <features>
    <_><rects><_>0 0 20 20 -1.</_><_>0 10 20 10 2.</_></rects><tilted>0</tilted></_></features></cascade>
</opencv_storage>
"""
"""One stage of one tree: a window whose lower half is much darker than its upper half is a hit."""
