"""The forms of the networks; inputs are NHWC float32, normalised outside the graph."""

import importlib
from pathlib import Path
from typing import Any, Final, TypeAlias

import keras
from keras import layers, ops

TAPS: Final = {
    4: "expanded_conv_project_bn",
    8: "expanded_conv_2_add",
    16: "expanded_conv_7_add",
    32: "expanded_conv_10_add",
}
"""Where the body is tapped, by stride: 16, 24, 48 and 96 channels."""

Tensor: TypeAlias = Any  # a symbolic or eager Keras tensor; Keras ships no types
Network: TypeAlias = Any


BODY: Final = "MobileNetV3Small"
"""Its name as a part of another network."""
WHOLE: Final = "float32"
"""Precision of every last layer: coordinates and chances need more digits than a mixed policy keeps."""


def batch_norms(network: Network) -> list[Any]:
    """The batch norms of a network and of those nested in it."""
    own = [layer for layer in network.layers if isinstance(layer, layers.BatchNormalization)]
    return own + [norm for layer in network.layers if isinstance(layer, keras.Model) for norm in batch_norms(layer)]


def copied(network: Network, former: Network | None) -> Network:
    """The network with a former one's weights, if there is one: the same form at another size."""
    if former is not None:
        network.set_weights(former.get_weights())
    return network


def mobile_body(size: int | None, weights: Path | None = None) -> Network:
    """MobileNetV3Small without its head: [N,S,S,3] in -1..1 to [N,S/32,S/32,576]."""
    plain = keras.applications.MobileNetV3Small(
        input_shape=(size, size, 3), include_top=False, weights=None, include_preprocessing=False
    )
    body = keras.models.clone_model(plain, clone_function=clone)
    if weights is not None:
        body.load_weights(str(weights))
    return body


def clone(layer: Any) -> Any:
    """The same layer anew, depthwise convolutions and batch norms in our form."""
    own = (one for one in (DepthwiseConv2D, BatchNormalization) if isinstance(layer, one.__bases__[0]))
    return next(own, type(layer)).from_config(layer.get_config())


class BatchNormalization(layers.BatchNormalization):  # type: ignore[misc]
    """Keras' own, but under PyTorch its one fused operation: a step of the body took 0.75 of the time on one core.

    The class keeps the name since weights are stored by it.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """[N,H,W,C]; the running variance is PyTorch's, unbiased: larger by one part in N x H x W."""
        if keras.config.backend() != "torch" or self.compute_dtype != WHOLE:
            return super().call(inputs, training=training, mask=mask)
        batch_norm = importlib.import_module("torch").nn.functional.batch_norm
        held = [one.value for one in (self.moving_mean, self.moving_variance, self.gamma, self.beta)]
        learns = bool(training) and self.trainable
        answer = batch_norm(inputs.permute(0, 3, 1, 2), *held, learns, 1 - self.momentum, self.epsilon)
        return answer.permute(0, 2, 3, 1)


class DepthwiseConv2D(layers.DepthwiseConv2D):  # type: ignore[misc]
    """Keras' own, but under JAX a sum of shifted products that XLA fuses into one loop.

    On a CPU a training step of the body took a tenth of the time in this form, and on an H200 the grouped form
    had not compiled after 100 s. The class keeps the name since weights are stored by it.
    """

    def call(self, inputs: Any) -> Any:
        """The same numbers in either form, [N,H,W,C]."""
        return self.shifted(inputs) if keras.config.backend() == "jax" else super().call(inputs)

    def shifted(self, inputs: Any) -> Any:
        """Each tap of the kernel times the picture moved by it, summed in full precision."""
        sides, stride = self.kernel_size, self.strides[0]
        edges = [self.edges(length, side) for length, side in zip(inputs.shape[1:3], sides, strict=True)]
        padded = ops.pad(ops.cast(inputs, WHOLE), ((0, 0), *edges, (0, 0)))
        tall, wide = (
            (padded.shape[axis] - side) // stride * stride + 1 for axis, side in zip((1, 2), sides, strict=True)
        )
        kernel = ops.cast(self.kernel, WHOLE)
        total = sum(
            padded[:, y : y + tall : stride, x : x + wide : stride] * kernel[y, x, :, 0]
            for y in range(sides[0])
            for x in range(sides[1])
        )
        return ops.cast(total if self.bias is None else total + self.bias, self.compute_dtype)

    def edges(self, length: int, side: int) -> tuple[int, int]:
        """Zeros before and after, as TensorFlow pads."""
        if self.padding == "valid":
            return 0, 0
        stride = self.strides[0]
        missing = max(0, (-(-length // stride) - 1) * stride + side - length)
        return missing // 2, missing - missing // 2


def conv(x: Tensor, channels: int, kernel: int = 3, stride: int = 1, name: str | None = None) -> Tensor:
    """Convolution, batch norm, ReLU."""
    x = layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False, name=name)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def separable(x: Tensor, channels: int, kernel: int = 5) -> Tensor:
    """Depthwise then pointwise convolution, each with batch norm, ReLU at the end."""
    x = DepthwiseConv2D(kernel, padding="same", use_bias=False)(x)
    return conv(layers.BatchNormalization()(x), channels, kernel=1)


def upsample(x: Tensor, factor: int = 2, **named: Any) -> Tensor:
    """Bilinear enlargement."""
    return layers.UpSampling2D(factor, interpolation="bilinear", **named)(x)


def cross_entropy(wanted: Tensor, logits: Tensor) -> Tensor:
    """Of chances [...,C] and logits [...,C]: [...]."""
    return -ops.sum(wanted * ops.log_softmax(logits, axis=-1), axis=-1)
