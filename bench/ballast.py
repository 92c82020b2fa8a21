"""The starter pack with the arithmetic of the networks the cat system was first written for, and the same answers.

To each file a branch of random convolutions is added whose mean, times zero, goes into an output: the processor does the
work of a large network, the scan goes the way of the small one. Plain convolutions are the cheapest way to spend that
arithmetic; the originals, with their depthwise steps, cost more, so shares measured against this are not flattered.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STARTER: Final = Path(__file__).resolve().parents[1] / "models" / "starter"
CHANNELS: Final = 64
GFLOP: Final = {
    "background.onnx": (39.5, 160),
    "cat_face_detector.onnx": (4.1, 80),
    "cat_landmarks.onnx": (0.28, 24),
    "cat_validator.onnx": (0.12, 14),
    "cat_areas.onnx": (1.18, 28),
}
"""File → (what to add per forward pass, side of the square it is done on): u2netp, a YOLOv5n, a small CNN,
MobileNetV3Small and EfficientNetB1. Five areas pass through the last."""


def heavy_pack(root: Path) -> Path:
    """Write ``root``/starter; ``root`` is the SCANMILL_MODEL_ROOT to measure with."""
    folder = root / "starter"
    shutil.copytree(STARTER, folder)
    manifest = (folder / "manifest.toml").read_text()
    for name, (gflop, side) in GFLOP.items():
        file = folder / name
        before = hashlib.sha256(file.read_bytes()).hexdigest()
        file.write_bytes(_laden(onnx.load(str(file)), gflop, side).SerializeToString())
        manifest = re.sub(before, hashlib.sha256(file.read_bytes()).hexdigest(), manifest)
    (folder / "manifest.toml").write_text(manifest)
    return root


def _laden(model: onnx.ModelProto, gflop: float, side: int) -> onnx.ModelProto:
    """The same network with ``gflop`` more arithmetic per picture: a multiply and an add per weight and place."""
    graph, chance = model.graph, np.random.default_rng(0)
    layers = max(1, round(gflop * 1e9 / (2 * side * side * CHANNELS * CHANNELS * 9)))
    _resized_input(graph, side)
    for number in range(layers + 1):
        weight = chance.normal(0, 0.05, (CHANNELS, CHANNELS if number else 3, 3, 3)).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(weight, f"ballast_weight_{number}"))
        given = [f"ballast_{number}", f"ballast_weight_{number}"]
        graph.node.append(helper.make_node("Conv", given, [f"ballast_raw_{number}"], pads=[1, 1, 1, 1]))
        bounded = "Tanh" if number % 4 == 3 else "Relu"  # so that the numbers do not grow from layer to layer
        graph.node.append(helper.make_node(bounded, [f"ballast_raw_{number}"], [f"ballast_{number + 1}"]))
    _into_an_output(graph, f"ballast_{layers + 1}")
    return model


def _resized_input(graph: onnx.GraphProto, side: int) -> None:
    """The picture as ``ballast_0``, [N,3,side,side], whatever layout the network itself takes."""
    source = graph.input[0]
    name = source.name
    if source.type.tensor_type.shape.dim[-1].dim_value == 3:
        graph.node.append(helper.make_node("Transpose", [name], ["ballast_nchw"], perm=[0, 3, 1, 2]))
        name = "ballast_nchw"
    graph.initializer.append(numpy_helper.from_array(np.array([side, side], np.int64), "ballast_size"))
    graph.node.append(helper.make_node("Shape", [name], ["ballast_shape"], start=0, end=2))
    graph.node.append(helper.make_node("Concat", ["ballast_shape", "ballast_size"], ["ballast_wanted"], axis=0))
    graph.node.append(helper.make_node("Resize", [name, "", "", "ballast_wanted"], ["ballast_0"], mode="nearest"))


def _into_an_output(graph: onnx.GraphProto, last: str) -> None:
    """Add zero times the mean of ``last`` to the first output: clipped first, so that it is a number."""
    output = graph.output[0].name
    for node in graph.node:
        node.output[:] = [f"{output}_alone" if name == output else name for name in node.output]
        node.input[:] = [f"{output}_alone" if name == output else name for name in node.input]
    for name, value in (("ballast_low", -1.0), ("ballast_high", 1.0), ("ballast_zero", 0.0)):
        graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, [], [value]))
    graph.node.extend(
        [
            helper.make_node("Clip", [last, "ballast_low", "ballast_high"], ["ballast_clipped"]),
            helper.make_node("ReduceMean", ["ballast_clipped"], ["ballast_mean"], keepdims=0),
            helper.make_node("Mul", ["ballast_mean", "ballast_zero"], ["ballast_nothing"]),
            helper.make_node("Add", [f"{output}_alone", "ballast_nothing"], [output]),
        ]
    )
