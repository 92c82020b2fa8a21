"""The forms of the networks; inputs are NHWC float32, normalised outside the graph."""

from pathlib import Path
from typing import Any, Final, TypeAlias

import keras
from keras import layers

TAPS: Final = {
    4: "expanded_conv_project_bn",
    8: "expanded_conv_2_add",
    16: "expanded_conv_7_add",
    32: "expanded_conv_10_add",
}
"""Where the body is tapped, by stride: 16, 24, 48 and 96 channels."""

Tensor: TypeAlias = Any  # a symbolic or eager Keras tensor; Keras ships no types
Network: TypeAlias = Any


def mobile_body(size: int | None, weights: Path | None = None) -> Network:
    """MobileNetV3Small without its head: [N,S,S,3] in -1..1 to [N,S/32,S/32,576]."""
    body = keras.applications.MobileNetV3Small(
        input_shape=(size, size, 3), include_top=False, weights=None, include_preprocessing=False
    )
    if weights is not None:
        body.load_weights(str(weights))
    return body


def conv(x: Tensor, channels: int, kernel: int = 3, stride: int = 1, name: str | None = None) -> Tensor:
    """Convolution, batch norm, ReLU."""
    x = layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False, name=name)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def separable(x: Tensor, channels: int, kernel: int = 5) -> Tensor:
    """Depthwise then pointwise convolution, each with batch norm, ReLU at the end."""
    x = layers.DepthwiseConv2D(kernel, padding="same", use_bias=False)(x)
    return conv(layers.BatchNormalization()(x), channels, kernel=1)


def upsample(x: Tensor, factor: int = 2) -> Tensor:
    """Bilinear enlargement."""
    return layers.UpSampling2D(factor, interpolation="bilinear")(x)
