"""Model files that a stranger might send, made on the spot; each trap that runs code would leave a file behind."""

from __future__ import annotations

import base64
import io
import json
import marshal
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.errors import ModelRefused
from training.convert import Bounds, Description, accept

IMAGE = {
    "module": "keras.layers", "class_name": "InputLayer", "registered_name": None,
    "config": {"batch_shape": [None, 8, 8, 3], "dtype": "float32", "name": "image"},
}  # fmt: skip
DENSE = {
    "module": "keras.layers", "class_name": "Dense", "registered_name": None,
    "config": {"name": "dense", "units": 2, "activation": "linear"},
}  # fmt: skip


def refused(path: Path, content: bytes, match: str, size: tuple[int, int] | None = None, **bounds: Any) -> None:
    """The file is refused with that sentence, and its code is MODEL_REFUSED."""
    path.write_bytes(content)
    said = Description("trap", "1", "classifier", "none", "tests", ("a", "b"), size=size)
    with pytest.raises(ModelRefused, match=match) as caught:
        accept(path, said, bounds=Bounds(**{"deadline_s": 60, **bounds}))
    assert caught.value.code == "MODEL_REFUSED"


def network(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """A Keras config of these layers behind an input."""
    config = {"name": "trap", "layers": [IMAGE, *layers]}
    return {"module": "keras", "class_name": "Sequential", "registered_name": None, "config": config}


def code_that_leaves(canary: Path) -> str:
    """A function's code as Keras stores it."""
    made: dict[str, Any] = {}
    exec(f"def trap(x):\n    open({str(canary)!r}, 'w').close()\n    return x", made)
    return base64.b64encode(marshal.dumps(made["trap"].__code__)).decode()


def lambda_layer(canary: Path) -> dict[str, Any]:
    function = {
        "class_name": "__lambda__",
        "config": {"code": code_that_leaves(canary), "defaults": None, "closure": None},
    }
    config = {"name": "lambda", "function": function, "arguments": {}}
    return {"module": "keras.layers", "class_name": "Lambda", "registered_name": None, "config": config}


def numbers(write: Callable[[h5py.File], object] = lambda file: None) -> bytes:
    """An HDF5 file to which ``write`` was let."""
    kept = io.BytesIO()
    with h5py.File(kept, "w") as file:
        file.create_dataset("layers/dense/vars/0", data=np.ones((192, 2), np.float32))
        write(file)
    return kept.getvalue()


def keras_file(config: Any, weights: bytes | None = None, **members: bytes) -> bytes:
    text = config if isinstance(config, str) else json.dumps(config)
    parts = {"config.json": text.encode(), "metadata.json": b"{}", "model.weights.h5": weights or numbers(), **members}
    return archive(parts)


def archive(members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", compression) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return kept.getvalue()


def h5_file(config: Any, write: Callable[[h5py.File], object] = lambda file: None) -> bytes:
    def with_config(file: h5py.File) -> None:
        file.attrs["model_config"] = json.dumps(config)
        file.create_group("model_weights")
        write(file)

    return numbers(with_config)


class Runs:
    """Pickled, it calls ``open(canary, "w")`` for whoever unpickles it."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.canary), "w")


def torchscript(
    data: bytes = b"\x80\x02K\x01.", code: bytes = b"class N(Module):\n  pass\n", **members: bytes
) -> bytes:
    parts = {
        "net/data.pkl": data, "net/constants.pkl": b"\x80\x02).", "net/version": b"3\n",
        "net/code/__torch__/net.py": code,
    }  # fmt: skip
    return archive({**parts, **members})


def onnx_file(nodes: list[onnx.NodeProto], *constants: onnx.TensorProto, domain: str = "") -> bytes:
    """Nodes from ``image`` [N,8,8,3] to ``answer`` [N,2]."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 8, 8, 3])
    found = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["N", 2])
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    graph = helper.make_graph(nodes, "trap", [image], [found], list(constants))
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())


def with_word(content: bytes, at: int, word: int) -> bytes:
    """Four bytes replaced, little-endian."""
    return content[:at] + struct.pack("<I", word) + content[at + 4 :]
