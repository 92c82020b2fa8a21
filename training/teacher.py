"""A public ImageNet network as a Keras network: it teaches from the same views, its weights are never shipped."""

from pathlib import Path
from typing import Any, Final

import keras
import onnx
from keras import layers
from onnx import numpy_helper

from training.networks import DepthwiseConv2D

FILE: Final = "mobilenet_v2_1.0_224_fp32_assembled.onnx"


def network(folder: Path) -> Any:
    """MobileNetV2: [N,S,S,3] in -1..1 to embedding [N,1280] and logits [N,1001]. Nothing in it trains.

    Knows the few operations that file has, all with "same" padding; raises `ValueError` on another one.
    """
    graph = onnx.load(str(folder / FILE)).graph
    weights = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    image = keras.Input((None, None, 3))
    found: dict[str, Any] = {graph.input[0].name: image}
    for node in graph.node:
        given = [found[name] for name in node.input if name in found]
        named = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        kept = [weights[name] for name in node.input if name in weights]
        found[node.output[0]] = operation(node.op_type, named, kept, given)
    teacher = keras.Model(image, [found["embedding"], found["logits"]], name="teacher")
    teacher.trainable = False
    return teacher


def operation(kind: str, named: dict[str, Any], kept: list[Any], given: list[Any]) -> Any:
    """One node as a layer applied to what it is given."""
    match kind:
        case "Conv":
            return convolution(named, kept, given[0])
        case "Clip":
            return layers.ReLU(max_value=6.0)(given[0])
        case "Add":
            return layers.Add()(given)
        case "GlobalAveragePool":
            return layers.GlobalAveragePooling2D(dtype="float32")(given[0])
        case "Gemm":
            dense = layers.Dense(len(kept[1]), dtype="float32")
            answer = dense(given[0])
            dense.set_weights([kept[0].T, kept[1]])
            return answer
        case "Flatten" | "Identity" | "Softmax":
            return given[0]
    message = f"the teacher has an unknown operation: {kind}"
    raise ValueError(message)


def convolution(named: dict[str, Any], kept: list[Any], given: Any) -> Any:
    """Plain or depthwise, ONNX's [out,in,h,w] kernels turned to Keras' order."""
    kernel, bias = kept
    strides, side = named["strides"][0], kernel.shape[2]
    if named["group"] == 1:
        layer = layers.Conv2D(len(kernel), side, strides=strides, padding="same")
        turned = kernel.transpose(2, 3, 1, 0)
    else:
        layer = DepthwiseConv2D(side, strides=strides, padding="same")
        turned = kernel.transpose(2, 3, 0, 1)
    answer = layer(given)
    layer.set_weights([turned, bias])
    return answer
