"""A Keras network to an ONNX file with our input and output names, checked against Keras."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx

from training.data import Floats
from training.evaluate import Metric

OPSET: Final = 17
TOLERANCE: Final = 2e-4


def to_onnx(serve: Callable[[Any], dict[str, Any]], size: int, file: Path, outputs: Sequence[str]) -> None:
    """Write `serve(image [N,size,size,3]) -> {name: tensor}` as ONNX with exactly `outputs`."""
    signature = [tf.TensorSpec((None, size, size, 3), tf.float32, name="image")]

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
    def named(image: Any) -> dict[str, Any]:
        found = serve(image)
        return {name: tf.identity(found[name], name=name) for name in outputs}

    graph, _ = tf2onnx.convert.from_function(named, input_signature=signature, opset=OPSET)
    tidy(graph, outputs)
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.checker.check_model(graph)
    onnx.save(graph, str(file))
    agree(serve, size, file, outputs)


def tidy(graph: Any, outputs: Sequence[str]) -> None:
    """Name the batch dimension `N`, put the outputs in order, drop the converter's chatter."""
    graph.graph.name = "scanmill"
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    by_name = {value.name: value for value in graph.graph.output}
    ordered = [by_name[name] for name in outputs]
    del graph.graph.output[:]
    graph.graph.output.extend(ordered)


def agree(serve: Callable[[Any], dict[str, Any]], size: int, file: Path, outputs: Sequence[str]) -> None:
    """Raise `ValueError` unless ONNX Runtime repeats Keras on random pictures."""
    images = np.random.default_rng(0).uniform(-1, 1, (2, size, size, 3)).astype(np.float32)
    expected = serve(tf.constant(images))
    for name, got in zip(outputs, session(file).run(list(outputs), {"image": images}), strict=True):
        wanted = expected[name].numpy()
        gap = float(np.max(np.abs(got - wanted) / (1 + np.abs(wanted))))
        if not gap < TOLERANCE:
            message = f"{file.name}: output {name} differs by {gap:.2g}"
            raise ValueError(message)


def session(file: Path, threads: int = 2) -> onnxruntime.InferenceSession:
    """A CPU session."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def run(file: Path, images: Floats, names: Sequence[str], batch: int = 16) -> list[Floats]:
    """Outputs of all images [N,H,W,3], a few at a time."""
    network = session(file)
    blocks = [
        network.run(list(names), {"image": images[first : first + batch]}) for first in range(0, len(images), batch)
    ]
    return [np.concatenate(found) for found in zip(*blocks, strict=True)]


def sha256(file: Path) -> str:
    """Digest of the file's bytes."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def note(file: Path, metrics: Sequence[Metric], **facts: Any) -> None:
    """Keep what was measured beside the export, for the manifest and the card."""
    record = {"metrics": [asdict(metric) for metric in metrics], **facts}
    file.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
