"""A network as TFLite in floats and wholly in int8 with our names, and what TFLite and ONNX answer where they are served.

Integers come from TensorFlow's own converter after training: weights by channel, activations by tensor, ranges from
examples. Needs TensorFlow.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from tensorflow.lite.tools import flatbuffer_utils
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from pipeline.models.litert import LiteRtSession
from pipeline.models.sessions import OnnxSession, Session
from training.data import Floats
from training.served import Served

KINDS: Final = {"tflite": "float32", "int8": "int8"}
"""End of a model's name to the numbers in its file."""


def files(out: Path, name: str) -> dict[str, Path]:
    """Where the TFLite files of a network lie, by the name of their model."""
    return {f"{name}_{end}": out / f"{name}_{numbers}.tflite" for end, numbers in KINDS.items()}


def to_tflite(network: Served, examples: Floats) -> dict[str, Path]:
    """Write both files beside the network's own; `examples` [K,S,S,3], as it takes them, fix the integers' ranges."""
    written = files(network.file.parent, network.file.stem)
    for (name, file), numbers in zip(written.items(), KINDS.values(), strict=True):
        converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen(network)])
        if numbers == "int8":
            in_integers(converter, examples)
        with warnings.catch_warnings():  # the converter warns that ranges come from examples
            warnings.simplefilter("ignore")
            content = converter.convert()
        file.write_bytes(named(content, network.outputs))
        LiteRtSession(file.read_bytes())
        print(f"{name}: {file.stat().st_size / 2**20:.2f} MiB")
    return written


def frozen(network: Served) -> Any:
    """One picture at a time, weights as constants; outputs in the order of their sorted names."""
    signature = [tf.TensorSpec((1, network.size, network.size, 3), tf.float32, name="image")]

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
    def call(image: Any) -> dict[str, Any]:
        found = network.call(image)
        return {name: tf.identity(found[name]) for name in network.outputs}

    return convert_variables_to_constants_v2(call.get_concrete_function())


def in_integers(converter: Any, examples: Floats) -> None:
    """Ask for int8 in, inside and out; what cannot be done in integers is an error."""

    def each() -> Iterator[list[Floats]]:
        return ([one[None]] for one in examples)

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = each
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8


def named(content: bytes, outputs: Any) -> bytes:
    """The file with our names on its outputs."""
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    graph = model.subgraphs[0]
    for name, index in zip(sorted(outputs), graph.outputs, strict=True):
        graph.tensors[index].name = name.encode()
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def session(file: Path) -> Session:
    """A file in the runtime that serves it."""
    content = file.read_bytes()
    opened: Session = LiteRtSession(content, threads=1) if file.suffix == ".tflite" else OnnxSession(content, threads=1)
    return opened


def answers(file: Path, images: Floats, output: str) -> Floats:
    """One output for pictures [N,S,S,3], one by one as on a CPU."""
    opened = session(file)
    return np.concatenate([opened.run("image", image[None], [output])[output] for image in images])
