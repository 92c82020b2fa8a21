"""`python -m training.revive areas --pack models/starter --data DATA --to START`: weights to go on training from.

A network that we shipped gets its batch norms back, with measured statistics. The export folds every batch norm into its convolution. Here the folded numbers go into the convolution, and
the norm gets the mean and deviation of what that convolution gives on real pictures, with the scale and
offset that undo them: the network says what it said before, and can be trained again (`training.run --start START`).
"""

import argparse
import importlib
from pathlib import Path
from typing import Any, Final, TypeAlias

import keras
import numpy as np
import onnx
from keras import layers
from onnx import numpy_helper

from training import augment
from training.data import WITH_NEGATIVES, Floats, everything, only, read_rgb
from training.folder import files, own

FILES: Final = {"body": "cat_validator.onnx", "validator": "cat_validator.onnx", "areas": "cat_areas.onnx"}
"""The networks whose form does not depend on the input's size, by recipe."""
SHOWN: Final = ("cat_face_landmarks_pseudo", *WITH_NEGATIVES)
EVERY: Final = 5
"""Every fifth picture is shown, about 120."""
SIDE: Final = 160
"""Their size in pixels."""

Folded: TypeAlias = tuple[Floats, Floats]
"""Kernel in ONNX's order [out,in,h,w] and bias [out]."""


def into(network: Any, file: Path, images: Floats | None) -> None:
    """Fill a network with the convolutions and dense layers of `file`; `images` give the statistics.

    Without images every norm adds its bias and no more: right for norms that are not to be trained.

    Raises `ValueError` if the file has another number of convolutions, `KeyError` if it lacks a dense layer.
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
        if (norm := followed[layer]) and images is not None:
            measured(network, layer, norm, bias, images)
        elif norm:
            one = np.ones_like(bias)
            norm.set_weights([one * np.sqrt(1 + norm.epsilon), bias, 0 * one, one])
    multiplied = products(graph)
    for layer in network.layers:
        if isinstance(layer, layers.Dense):
            layer.set_weights(multiplied[layer.kernel.shape])


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


def products(graph: Any) -> dict[tuple[int, ...], list[Floats]]:
    """Kernel [in,out] and bias [out] of every dense layer, by the kernel's shape."""
    weights = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    added = {name: node for node in graph.node if node.op_type == "Add" for name in node.input}
    found = {}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in weights and node.output[0] in added:
            kernel = weights[node.input[1]]
            found[kernel.shape] = [kernel, constant(added[node.output[0]], "Add", weights, kernel.shape[1])]
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


def shown(data: Path) -> list[Path]:
    """About 120 pictures: of our sets' validation part, or of a user's folder."""
    if own(data):
        found = files(data)
        return found[:: max(1, len(found) // 120)]
    return [item.path for item in only(everything(data, SHOWN), "validation")[::EVERY]]


def main() -> None:
    """Write the weights of one recipe's shipped network."""
    parser = argparse.ArgumentParser(prog="python -m training.revive", description=__doc__)
    parser.add_argument("recipe", choices=sorted(FILES))
    parser.add_argument("--pack", type=Path, required=True, help="folder of the pack")
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled sets, or your own")
    parser.add_argument("--to", type=Path, required=True, help="file of weights to write, *.weights.h5")
    given = parser.parse_args()
    network = importlib.import_module(f"training.recipes.{given.recipe}").build()
    images = [augment.squash(read_rgb(file), SIDE) for file in shown(given.data)]
    into(network, given.pack / FILES[given.recipe], augment.unit(images))
    network.save_weights(str(given.to))


if __name__ == "__main__":
    main()
