"""A Keras network to an ONNX file with our input and output names, checked against Keras. Needs TensorFlow."""

from collections.abc import Sequence
from typing import Any, Final

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx

from training import served
from training.onnx_order import settle_names
from training.served import Served

OPSET: Final = 17
TOLERANCE: Final = 2e-4


def to_onnx(network: Served) -> None:
    """Write the network as ONNX with exactly its outputs; raises `ValueError` under another backend."""
    if keras.config.backend() != "tensorflow":
        message = "the export goes through TensorFlow: run it with KERAS_BACKEND=tensorflow, or train with --train-only"
        raise ValueError(message)
    signature = [tf.TensorSpec((None, network.size, network.size, 3), tf.float32, name="image")]

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
    def named(image: Any) -> dict[str, Any]:
        found = network.call(image)
        return {name: tf.identity(found[name], name=name) for name in network.outputs}

    graph, _ = tf2onnx.convert.from_function(named, input_signature=signature, opset=OPSET)
    tidy(graph, network.outputs)
    network.file.parent.mkdir(parents=True, exist_ok=True)
    onnx.checker.check_model(graph)
    onnx.save(graph, str(network.file))
    agree(network)


def tidy(graph: Any, outputs: Sequence[str]) -> None:
    """Name the batch dimension `N`, put the outputs in order, drop the converter's chatter and its names."""
    graph.graph.name = "scanmill"
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    by_name = {value.name: value for value in graph.graph.output}
    ordered = [by_name[name] for name in outputs]
    del graph.graph.output[:]
    graph.graph.output.extend(ordered)
    settle_names(graph.graph)


def agree(network: Served) -> None:
    """Raise `ValueError` unless ONNX Runtime repeats Keras on random pictures."""
    images = np.random.default_rng(0).uniform(-1, 1, (2, network.size, network.size, 3)).astype(np.float32)
    expected = network.call(tf.constant(images))
    answers = served.session(network.file).run(list(network.outputs), {"image": images})
    for name, got in zip(network.outputs, answers, strict=True):
        wanted = expected[name].numpy()
        gap = float(np.max(np.abs(got - wanted) / (1 + np.abs(wanted))))
        if not gap < TOLERANCE:
            message = f"{network.file.name}: output {name} differs by {gap:.2g}"
            raise ValueError(message)
