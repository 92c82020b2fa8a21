"""Grad-CAM in the forward pass of a Keras network that ends in average pooling and a dense layer.

The gradient of such a network at its last convolution has a closed form over forward outputs, so no tape is needed
and many pictures go through at once (Selvaraju et al. 2017, arXiv:1610.02391; Zhou et al. 2016, arXiv:1512.04150, for
the last activation). With A the last activation, Z the last convolution's output, B = batchnorm(Z), A = f(B), W the
dense kernel [K,C] and s = gamma / √(variance + epsilon), the map of class c is

- at ``top_activation``: Σ_k A_k W_kc
- at ``top_conv`` (the seed's layer, S0.39): Σ_k Z_k · s_k · mean(f'(B_k)) · W_kc, the mean over the picture

It is linear in W: the map of a logit difference is a difference of class maps, and that of a probability a sum of
them (`pipeline.models.explanation`). So a graph needs one more product, of h·w·C numbers, whatever is asked of it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import keras
import numpy as np
from keras import layers, ops

from pipeline.models.explanation import Layer
from training.networks import Network, Tensor

OUTPUTS: Final = ("logits", "cam")

DERIVATIVES: Final[Mapping[str, Callable[[Tensor], Tensor]]] = {
    "linear": ops.ones_like,
    "relu": lambda x: ops.cast(x > 0, x.dtype),
    "relu6": lambda x: ops.cast(ops.logical_and(x > 0, x < 6), x.dtype),
    "silu": lambda x: ops.sigmoid(x) * (1 + x * (1 - ops.sigmoid(x))),
    "hard_silu": lambda x: ops.where(ops.abs(x) < 3, (2 * x + 3) / 6, ops.cast(x > 0, x.dtype)),
}
"""f' by the name of the Keras activation f."""
_BETWEEN: Final = (layers.Dropout, layers.Flatten, layers.Reshape)


def with_maps(model: Network, layer: Layer = "top_conv") -> Network:
    """The same network with the outputs ``logits`` [N,C] and ``cam`` [N,h,w,C], one map a class; weights as they are now.

    To a file: ``to_onnx(Served(file, size, OUTPUTS, partial(with_maps(model), training=False)))``.
    Raises ValueError for a network that does not end in convolution, (batch norm), (activation), global average
    pooling, dense layer, (softmax), or that keeps these inside a nested model: `training.onnx_cam` is for those.
    """
    head = list(_backwards(model))
    dense, pooling = _dense(head), _only(head, layers.GlobalAveragePooling2D)
    kernel, *bias = dense.get_weights()
    logits = ops.matmul(dense.input, kernel) + (bias[0] if bias else 0.0)
    features = pooling.input if layer == "top_activation" else _weighted(head[head.index(pooling) + 1 :])
    made = zip(OUTPUTS, (logits, ops.matmul(features, kernel)), strict=True)
    return keras.Model(model.input, {name: layers.Identity(name=name)(tensor) for name, tensor in made})


def _weighted(before: list[Any]) -> Tensor:
    """Z · s · mean(f'(B)), [N,h,w,K]; ``before`` is what stands before the pooling, last layer first."""
    activation: Any = None
    scale: Any = 1.0
    while before and not isinstance(before[0], layers.Conv2D):
        one = before.pop(0)
        if isinstance(one, layers.BatchNormalization):
            scale = _scale(one)
        elif activation is None and isinstance(scale, float):
            activation = one
        else:
            raise ValueError(f"{one.name}: the last convolution has more than a batch norm and an activation behind it")
    if not before or before[0].activation is not keras.activations.linear:
        raise ValueError("no plain convolution before the last activation: take top_activation")
    slope = 1.0 if activation is None else _derivative(activation)(activation.input)
    gain = ops.mean(slope, axis=(1, 2), keepdims=True) if activation is not None else 1.0
    return before[0].output * (gain * scale)


def _derivative(activation: Any) -> Callable[[Tensor], Tensor]:
    if isinstance(activation, layers.ReLU) and not activation.negative_slope and not activation.threshold:
        name = {None: "relu", 6: "relu6"}.get(activation.max_value, "")
    else:
        name = getattr(getattr(activation, "activation", None), "__name__", "")
    if name not in DERIVATIVES:
        raise ValueError(f"{activation.name}: no derivative of {name or type(activation).__name__} is known here")
    return DERIVATIVES[name]


def _scale(norm: Any) -> Any:
    """What a batch norm multiplies by when it serves: gamma / √(variance + epsilon), [K]."""
    root = np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    return (norm.gamma.numpy() if norm.scale else np.float32(1)) / root


def _backwards(model: Network) -> Iterator[Any]:
    """Layers from the output towards the input, as long as each has one input."""
    made = {id(layer.output): layer for layer in model.layers if isinstance(layer.output, keras.KerasTensor)}
    tensor = model.output
    while (layer := made.get(id(tensor))) is not None:
        yield layer
        tensor = layer.input


def _dense(head: list[Any]) -> Any:
    softmax = isinstance(head[0], layers.Softmax) or getattr(head[0], "activation", None) is keras.activations.softmax
    dense = _only(head[: 1 + (softmax and not isinstance(head[0], layers.Dense))], layers.Dense)
    if dense.activation not in (keras.activations.linear, keras.activations.softmax):
        raise ValueError(f"{dense.name}: neither linear nor softmax")
    return dense


def _only(head: list[Any], kind: type[Any]) -> Any:
    """The first layer of ``kind``, with nothing before it that changes numbers."""
    for layer in head:
        if isinstance(layer, kind):
            return layer
        if not isinstance(layer, (*_BETWEEN, layers.Dense, layers.Softmax, layers.Activation)):
            break
    raise ValueError(f"the network does not end in {kind.__name__} as it must")
