"""Tiny real ONNX networks with fixed weights, and packs made of them: fixtures that answer by colour.

Red pictures are cats. Blue spots are faces. Green crops are healthy. Nothing is learned, everything is computed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

REGIONS = ("left_eye", "right_eye", "left_ear", "right_ear", "mouth")
POINTS = ("left_eye", "right_eye", "left_ear", "right_ear", "mouth", "nose")
FACE = ((0.35, 0.45), (0.65, 0.45), (0.25, 0.2), (0.75, 0.2), (0.5, 0.8), (0.5, 0.65))
"""The landmark network's answer to everything, in units of the crop."""


def graph(
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, object],
    outputs: Sequence[str],
    size: int,
    batch: int | str = "N",
) -> bytes:
    """A model with one input ``image`` [N,size,size,3] and float outputs of any shape."""
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, size, size, 3])
    found = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    made = helper.make_graph(list(nodes), "tiny", [image], found, initializers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def floats(*values: object) -> object:
    return np.array(values[0] if len(values) == 1 else values, np.float32)


def validator(size: int = 32, batch: int | str = "N") -> bytes:
    """``subject``: cat as far as red beats the rest of the picture. ``breed``: the strongest colour's."""
    node = helper.make_node
    return graph(
        [
            node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0),
            node("Gemm", ["mean", "weights", "bias"], ["logits"]),
            node("Softmax", ["logits"], ["subject"], axis=1),
            node("Mul", ["mean", "ten"], ["warm"]),
            node("Softmax", ["warm"], ["breed"], axis=1),
        ],
        {"weights": floats([[0, 8], [0, -8], [0, -8]]), "bias": floats([0, 0]), "ten": floats(10)},
        ("subject", "breed"),
        size,
        batch,
    )


def logarithm(size: int = 32) -> bytes:
    """``subject`` whose answer to a black picture is not a number."""
    node = helper.make_node
    return graph(
        [
            node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0),
            node("Log", ["mean"], ["logs"]),
            node("Gemm", ["logs", "weights", "bias"], ["logits"]),
            node("Softmax", ["logits"], ["subject"], axis=1),
        ],
        {"weights": floats([[0, 8], [0, -8], [0, 0]]), "bias": floats([0, 0])},
        ("subject",),
        size,
    )


def detector(size: int = 320, stride: int = 32) -> bytes:
    """A box of two strides about each cell; its score is how much bluer than red the cell is."""
    cells = size // stride
    line = (np.arange(cells) + 0.5) * stride
    y, x = np.meshgrid(line, line, indexing="ij")
    side = np.full(cells * cells, 2.0 * stride)
    boxes = np.stack([x.ravel(), y.ravel(), side, side], axis=1)[None].astype(np.float32)
    node = helper.make_node
    return graph(
        [
            node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
            node("Conv", ["planes", "blueness"], ["spots"]),
            node("AveragePool", ["spots"], ["cells"], kernel_shape=[stride, stride], strides=[stride, stride]),
            node("Reshape", ["cells", "flat"], ["raw"]),
            node("Clip", ["raw", "zero", "one"], ["scores"]),
            node("Shape", ["scores"], ["shape"]),
            node("Concat", ["shape", "four"], ["wanted"], axis=0),
            node("Expand", ["boxes_of_one", "wanted"], ["boxes"]),
        ],
        {
            "blueness": floats([[[[-1]], [[0]], [[1]]]]),
            "flat": np.array([0, cells * cells], np.int64),
            "zero": floats(0),
            "one": floats(1),
            "four": np.array([1], np.int64),
            "boxes_of_one": boxes,
        },
        ("boxes", "scores"),
        size,
    )


def landmarks(points: Sequence[tuple[float, float]] = FACE, size: int = 96) -> bytes:
    """The same points on every crop, moved by its green; confidence is its blue."""
    node = helper.make_node
    return graph(
        [
            node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0),
            node("Gemm", ["mean", "to_points", "face"], ["flat_points"]),
            node("Reshape", ["flat_points", "six"], ["points"]),
            node("Gemm", ["mean", "to_blue"], ["confidence"]),
        ],
        {
            "to_points": floats([[0.0] * 12, [0.1] * 12, [0.0] * 12]),
            "face": floats(np.array(points).ravel()),
            "six": np.array([-1, 6, 2], np.int64),
            "to_blue": floats([[0], [0], [1]]),
        },
        ("points", "confidence"),
        size,
    )


def matte(size: int = 320) -> bytes:
    """Subject is what is bright."""
    node = helper.make_node
    return graph(
        [
            node("ReduceMean", ["image"], ["grey"], axes=[3], keepdims=1),
            node("Clip", ["grey", "zero", "one"], ["mask"]),
        ],
        {"zero": floats(0), "one": floats(1)},
        ("mask",),
        size,
    )


def areas(size: int = 224) -> bytes:
    """Every region alike: abnormal as far as red beats green; the map shows where."""
    node = helper.make_node
    nodes = [
        node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0),
        node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        node("Conv", ["planes", "redness"], ["red"]),
        node("AveragePool", ["red"], ["cells"], kernel_shape=[size // 7] * 2, strides=[size // 7] * 2),
    ]
    for region in REGIONS:
        nodes.append(node("Gemm", ["mean", "weights"], [f"{region}_logits"]))
        nodes.append(node("Squeeze", ["cells", "channel"], [f"{region}_cam"]))
    outputs = [f"{region}_{what}" for region in REGIONS for what in ("logits", "cam")]
    constants = {
        "weights": floats([[0, 6], [6, 0], [0, 0]]),
        "redness": floats([[[[1]], [[-1]], [[0]]]]),
        "channel": np.array([1], np.int64),
    }
    return graph(nodes, constants, outputs, size)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def entry(name: str, content: bytes, task: str, size: int, outputs: Mapping[str, str], more: str = "") -> str:
    """One manifest table; ``more`` stands before the sub-tables."""
    named = "\n".join(f'{role} = "{output}"' for role, output in outputs.items())
    plain, _, tables = more.partition("[")
    return f"""
[[model]]
name = "{name}"
version = "tiny"
file = "{sha256(content)[:12]}.onnx"
sha256 = "{sha256(content)}"
runtime = "onnx"
licence = "Apache-2.0"
source = "tests"
task = "{task}"
{plain}
[model.input]
name = "image"
size = [{size}, {size}]
scale = 255
{"letterbox = 114" if task == "detector" else ""}
[model.outputs]
{named}
{"[" + tables if tables else ""}
"""


def subject_entry(content: bytes, name: str = "cat_validator", size: int = 32) -> str:
    more = '[model.labels]\nsubject = ["not_cat", "cat"]\nbreed = ["red", "green", "blue"]\n[model.thresholds]\nsubject = 0.7'
    return entry(name, content, "subject", size, {"subject": "subject", "breed": "breed"}, more)


def cat_pack(folder: Path, crop_scale: Mapping[str, float] | None = None) -> Path:
    """All nine entries of the cat pipeline, in ``folder``; returns the manifest's path."""
    scales = {"eye": 0.9, "ear": 1.4, "mouth": 1.2, **(crop_scale or {})}
    points = ", ".join(f'"{name}"' for name in POINTS)
    nets = {
        "validator": validator(),
        "detector": detector(),
        "landmarks": landmarks(),
        "matte": matte(),
        "areas": areas(),
    }
    tables = [
        subject_entry(nets["validator"]),
        entry(
            *("cat_face_detector", nets["detector"], "detector", 320, {"boxes": "boxes", "scores": "scores"}),
            '[model.labels]\nscores = ["cat_face"]\n[model.thresholds]\nscore = 0.5\niou = 0.45',
        ),
        entry(
            *("cat_landmarks", nets["landmarks"], "landmarks", 96, {"points": "points", "confidence": "confidence"}),
            f"[model.labels]\npoints = [{points}]\n[model.thresholds]\nconfidence = 0.3",
        ),
        entry("background", nets["matte"], "matte", 320, {"mask": "mask"}),
    ]
    for region in REGIONS:
        plain = f"crop_scale = {scales[region.split('_')[-1]]}\ntemperature = 2.0\n"
        heads = {"logits": f"{region}_logits", "cam": f"{region}_cam"}
        labels = '[model.labels]\nlogits = ["normal", "abnormal"]\n[model.explanation]\nlayer = "top_activation"'
        tables.append(entry(f"cat_{region}", nets["areas"], "classifier", 224, heads, plain + labels))
    return write_pack(folder, nets.values(), tables)


def write_pack(folder: Path, nets: object, tables: Sequence[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for content in nets:  # type: ignore[attr-defined]
        (folder / f"{sha256(content)[:12]}.onnx").write_bytes(content)
    manifest = folder / "manifest.toml"
    manifest.write_text("\n".join(tables), encoding="utf-8")
    return manifest
