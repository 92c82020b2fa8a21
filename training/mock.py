"""`python -m training.mock --to models/mock`: the pack whose networks look at nothing but a picture's mean colour.

For clients' own tests: it answers in a millisecond, always the same, and every answer says that it is a mock. It loads
only with SCANMILL_MODEL_ALLOW_MOCK, and never in production.
"""

import argparse
import hashlib
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from training.toml import document

FILE: Final = "mock_skin_hair.onnx"
LABELS: Final = (
    *("normal", "dry", "oily", "combination", "sensitive"),
    *("straight", "wavy", "curly", "coily"),
    *("healthy", "mild_acne", "severe_acne", "eczema", "psoriasis"),
)
GROUPS: Final = {"skin_type": [0, 1, 2, 3, 4], "hair_type": [5, 6, 7, 8], "condition": [9, 10, 11, 12, 13]}
NAMES: Final = ("skin_hair_tflite", "skin_hair")
"""Those that the system asks for."""


def network() -> bytes:
    """[N,224,224,3] standardised to logits [N,14]: fixed weights times the mean colour."""
    weights = np.random.default_rng(0).normal(0, 2, (3, len(LABELS))).astype(np.float32)
    constants = {"weights": weights, "bias": np.zeros(len(LABELS), np.float32)}
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Gemm", ["mean", "weights", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "mock",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 224, 224, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", len(LABELS)])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def entry(name: str, content: bytes) -> dict[str, Any]:
    """The manifest's table of one name; all of them share the file."""
    return {
        "name": name,
        "version": "mock",
        "file": FILE,
        "sha256": hashlib.sha256(content).hexdigest(),
        "runtime": "onnx",
        "licence": "Apache-2.0",
        "source": "python -m training.mock",
        "task": "heads",
        "mock": True,
        "input": {
            "name": "image",
            "layout": "NHWC",
            "colour": "RGB",
            "size": [224, 224],
            "scale": 255.0,
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
        },
        "outputs": {"logits": "logits"},
        "labels": {"logits": list(LABELS)},
        "groups": GROUPS,
    }


def main() -> None:
    """Write the pack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, required=True, help="folder of the pack")
    folder = parser.parse_args().to
    folder.mkdir(parents=True, exist_ok=True)
    content = network()
    (folder / FILE).write_bytes(content)
    (folder / "manifest.toml").write_text(
        "# Written by `python -m training.mock`; do not edit.\n\n" + document(entry(name, content) for name in NAMES)
    )


if __name__ == "__main__":
    main()
