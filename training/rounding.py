"""A network whose weights int8 can keep without loss: batch norms inside their convolutions, kernels on a grid by channel.

TFLite stores a kernel as integers of -127..127 times its channel's largest value / 127. Weights that lie on that grid
from the start are the same in ONNX, in TFLite and in int8, so only the activations are rounded there.
"""

from typing import Any, Final

import keras
import numpy as np
from keras import layers

from training.data import Floats
from training.networks import Network

LEVELS: Final = 127


def rounded(network: Network) -> Network:
    """The network anew, rounded. Raises `ValueError` for a batch norm that follows no plain convolution."""
    made = {id(network.input): keras.Input(network.input.shape[1:])}
    image = made[id(network.input)]
    norms = {id(layer.input): layer for layer in network.layers if isinstance(layer, layers.BatchNormalization)}
    for layer in network.layers[1:]:
        given = [made[id(one)] for one in layer.input] if isinstance(layer.input, list) else made[id(layer.input)]
        if isinstance(layer, layers.Conv2D):
            made[id(layer.output)] = with_weights(layer, folded(layer, norms.pop(id(layer.output), None)), given)
        elif isinstance(layer, layers.Dense):
            made[id(layer.output)] = with_weights(layer, layer.get_weights(), given)
        elif isinstance(layer, layers.BatchNormalization | layers.Dropout):
            made[id(layer.output)] = given
        else:
            made[id(layer.output)] = type(layer).from_config(layer.get_config())(given)
    if norms:
        raise ValueError(f"{[norm.name for norm in norms.values()]} follow no convolution")
    return keras.Model(image, made[id(network.output)])


def folded(conv: Any, norm: Any) -> list[Floats]:
    """Kernel and bias of a convolution and the batch norm behind it. Raises `ValueError` unless they are these."""
    if conv.use_bias or not isinstance(norm, layers.BatchNormalization):
        raise ValueError(f"{conv.name} has a bias of its own, or no batch norm behind it")
    gamma, beta, mean, variance = norm.get_weights()
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return [conv.get_weights()[0] * scale, beta - mean * scale]


def with_weights(layer: Any, weights: list[Floats], x: Any) -> Any:
    """The same layer with a bias on `x`, its kernel [..., channels] rounded."""
    made = type(layer).from_config({**layer.get_config(), "use_bias": True})
    found = made(x)
    made.set_weights([on_grid(weights[0]), weights[1]])
    return found


def on_grid(kernel: Floats) -> Floats:
    """Each channel (last axis) in steps of its largest size / 127."""
    largest = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)))
    step = np.where(largest > 0, largest, 1) / LEVELS
    return np.asarray(np.round(kernel / step) * step, np.float32)
