"""Weights to go on training from, out of a network we shipped: its batch norms come back, with measured statistics.

The export folds every batch norm into its convolution. Here the folded numbers go into the convolution, and
the norm gets the mean and deviation of what that convolution gives on real pictures, with the scale and
offset that undo them: the network says what it said before, and can be trained again.
"""

from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import onnx
from keras import layers
from onnx import numpy_helper

from training.data import Floats

Folded: TypeAlias = tuple[Floats, Floats]
"""Kernel in ONNX's order [out,in,h,w] and bias [out]."""


def into(network: Any, file: Path, images: Floats) -> None:
    """Fill a network whose body is MobileNetV3Small with the convolutions of `file`; `images` give the statistics.

    Dense layers are filled in the order in which the file applies them, where their shapes agree.
    """
    graph = onnx.load(str(file)).graph
    convolutions = [layer for layer in network.layers if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)]
    folded = convolved(graph)
    if len(folded) != len(convolutions):
        message = f"{file.name} has {len(folded)} convolutions, the network {len(convolutions)}"
        raise ValueError(message)
    followed = {layer: follower(layer) for layer in convolutions}
    for layer, (kernel, bias) in zip(convolutions, folded, strict=True):
        deep = isinstance(layer, layers.DepthwiseConv2D)
        turned = kernel.transpose(2, 3, 0, 1) if deep else kernel.transpose(2, 3, 1, 0)
        layer.set_weights([turned] if followed[layer] else [turned, bias])
    for layer, (_, bias) in zip(convolutions, folded, strict=True):
        if norm := followed[layer]:
            measured(network, layer, norm, bias, images)


def convolved(graph: Any) -> list[Folded]:
    """Every convolution in the order of the graph, with what is multiplied and added right behind it."""
    weights = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    users: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    found = []
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        kernel = weights[node.input[1]]
        bias = weights[node.input[2]] if len(node.input) > 2 else np.zeros(len(kernel), np.float32)
        behind: Any = next(iter(users.get(node.output[0], [])), None)
        factor = constant(behind, "Mul", weights, len(kernel))
        if factor is not None:
            kernel, bias = kernel * factor.reshape(-1, 1, 1, 1), bias * factor
            behind = users[behind.output[0]][0]
        added = constant(behind, "Add", weights, len(kernel))
        found.append((kernel.astype(np.float32), (bias if added is None else bias + added).astype(np.float32)))
    return found


def constant(node: Any, kind: str, weights: dict[str, Any], channels: int) -> Any:
    """What a node of this kind applies to each channel, [channels], or None."""
    if node is None or node.op_type != kind:
        return None
    return next(
        (weights[name].ravel() for name in node.input if name in weights and weights[name].size == channels), None
    )


def follower(layer: Any) -> Any:
    """The batch norm right behind a layer, or None."""
    behind = [node.operation for node in layer._outbound_nodes]  # noqa: SLF001 - Keras has no public way
    return next((one for one in behind if isinstance(one, layers.BatchNormalization)), None)


def measured(network: Any, layer: Any, norm: Any, bias: Floats, images: Floats) -> None:
    """Set a norm so that it adds `bias` and no more, on top of the statistics of its own input."""
    given = keras.Model(network.inputs, layer.output).predict(images, batch_size=32, verbose=0)
    mean, variance = given.mean(axis=(0, 1, 2)), given.var(axis=(0, 1, 2))
    norm.set_weights([np.sqrt(variance + norm.epsilon), bias + mean, mean, variance])
