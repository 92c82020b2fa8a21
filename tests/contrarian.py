"""A second version of a starter classifier that disagrees with the first exactly where a crop is more blue than red."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import onnx
from onnx import helper, numpy_helper
from PIL import Image

from pipeline.models.manifest import ModelEntry, entry_of, read_manifest
from pipeline.models.settings import PACKS_ROOT

NAME = "cat_left_eye"
LOGITS = "left_eye_logits"


def contrarian() -> tuple[ModelEntry, bytes]:
    """Its entry and file: the starter's network, whose two logits change places for a blue crop."""
    entry = read_manifest(PACKS_ROOT / "starter" / "manifest.toml", "starter")[NAME]
    assert entry.folder is not None
    model = onnx.load_model_from_string((entry.folder / entry.file).read_bytes())
    graph = model.graph
    maker = next(node for node in graph.node if LOGITS in node.output)
    maker.output[list(maker.output).index(LOGITS)] = "first_logits"
    for name, value in {
        "blueness": np.array([[-1.0], [0.0], [1.0]], np.float32),
        "nothing": np.array(0.0, np.float32),
        "turn": np.array([[0.0, 1.0], [1.0, 0.0]], np.float32),
    }.items():
        graph.initializer.append(numpy_helper.from_array(value, name))
    graph.node.extend(
        [
            helper.make_node("ReduceMean", [graph.input[0].name], ["colour"], axes=[1, 2], keepdims=0),
            helper.make_node("MatMul", ["colour", "blueness"], ["blue"]),
            helper.make_node("Greater", ["blue", "nothing"], ["is_blue"]),
            helper.make_node("MatMul", ["first_logits", "turn"], ["turned"]),
            helper.make_node("Where", ["is_blue", "turned", "first_logits"], [LOGITS]),
        ]
    )
    content = bytes(model.SerializeToString())
    table = {**entry.table, "version": "2.0.0", "sha256": hashlib.sha256(content).hexdigest()}
    return entry_of(table, "mine"), content


def tinted(photo: bytes, seed: int, *, blue: bool) -> bytes:
    """The photograph, a little larger for each seed, as it is or with a little more blue than red."""
    with Image.open(io.BytesIO(photo)) as opened:
        size = opened.width + 3 * seed, opened.height + 2 * seed
        pixels = np.asarray(opened.convert("RGB").resize(size), np.float32)
    if blue:
        pixels = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2) * np.array([0.96, 1.0, 1.04], np.float32)
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=95)
    return file.getvalue()
