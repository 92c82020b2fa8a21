"""Tiny real ONNX networks of BlazeFace's and Face Mesh's shape: blue is a face, and every face has the same mesh."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from onnx import helper

from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from tests.unit.pipeline import tiny_models as tiny

BOX = (0.0, 0.0, 24.0, 24.0)
"""Of every anchor, in pixels of the input: about its centre, three cells large."""
POINTS = ((-6.0, -4.0), (6.0, -4.0), (0.0, 1.0), (0.0, 6.0), (-11.0, -3.0), (11.0, -3.0))
GOLDEN = Path(__file__).parents[2] / "golden" / "expected" / "face_mesh.npz"


@cache
def portrait() -> Any:
    """A real, nearly frontal face as 468 points [468,3] in units of the mesh's square."""
    points = np.load(GOLDEN)["astronaut"].astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    return (points - [*((low + high) / 2)[:2], 0]) / ((high - low)[:2].max() * 1.5) + [0.5, 0.5, 0]


def blaze_face() -> bytes:
    """A logit of 20 × (blue - red) - 10 in each of the fine cells; the coarse ones see nothing."""
    node = helper.make_node
    regressors = np.tile(np.array([*BOX, *np.ravel(POINTS)], np.float32), (1, 896, 1))
    return tiny.graph(
        [
            node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
            node("AveragePool", ["planes"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
            node("Conv", ["cells", "blueness", "bias"], ["fine"]),
            node("Reshape", ["fine", "rows"], ["column"]),
            node("Concat", ["column", "column"], ["pairs"], axis=2),
            node("Reshape", ["pairs", "rows"], ["found"]),
            node("Pad", ["found", "padding", "nothing"], ["logits"]),
            node("ReduceMean", ["image"], ["grey"], axes=[1, 2, 3], keepdims=1),
            node("Reshape", ["grey", "rows"], ["grey_row"]),
            node("Mul", ["grey_row", "zero"], ["zeros"]),
            node("Add", ["zeros", "boxes"], ["regressors"]),
        ],
        {
            "blueness": tiny.floats([[[[-10]], [[0]], [[10]]]]),
            "bias": tiny.floats([-10]),
            "rows": np.array([0, -1, 1], np.int64),
            "padding": np.array([0, 0, 0, 0, 384, 0], np.int64),
            "nothing": np.array(-100, np.float32),
            "zero": np.array(0, np.float32),
            "boxes": regressors,
        },
        ("regressors", "logits"),
        128,
    )  # fmt: skip


def face_mesh() -> bytes:
    """The portrait's points on every crop; the presence is a logit of 20 × blue - 10."""
    node = helper.make_node
    return tiny.graph(
        [
            node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0),
            node("Gemm", ["mean", "to_presence", "bias"], ["presence"]),
            node("Mul", ["presence", "zero"], ["nothing"]),
            node("Add", ["nothing", "mesh"], ["points"]),
        ],
        {
            "to_presence": tiny.floats([[0], [0], [20]]),
            "bias": tiny.floats([-10]),
            "zero": np.array(0, np.float32),
            "mesh": (portrait() * 192).astype(np.float32).reshape(1, -1),
        },
        ("points", "presence"),
        192,
    )


def room(folder: Path) -> ModelRoom:
    """``face_detector``, ``face_detector_far`` (the same network, asked for less) and ``face_mesh``."""
    nets = blaze_face(), face_mesh()
    outputs = {"regressors": "regressors", "logits": "logits"}
    centred = "[model.thresholds]\nscore = {}\niou = 0.3"
    tables = [
        tiny.entry(name, nets[0], "blaze_face", 128, outputs, centred.format(score)).replace(
            "scale = 255", "mean = [127.5, 127.5, 127.5]\nstd = [127.5, 127.5, 127.5]"
        )
        for name, score in (("face_detector", 0.9), ("face_detector_far", 0.5))
    ]
    mesh = {"points": "points", "presence": "presence"}
    tables.append(tiny.entry("face_mesh", nets[1], "face_mesh", 192, mesh, "[model.thresholds]\nconfidence = 0.5"))
    return ModelRoom([read_manifest(tiny.write_pack(folder / "faces", nets, tables), "tiny")])
