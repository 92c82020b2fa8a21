"""Views that a teacher has answered: what is kept of them, and what a batch of their parts says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from training import views
from training.budget import Stage
from training.teacher import FILE


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    """A network that says the mean of each channel, three numbers for an embedding and three for classes."""
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 224, 224])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in ("embedding", "logits")]
    nodes = [
        helper.make_node("ReduceMean", ["input"], [name], axes=[2, 3], keepdims=0) for name in ("embedding", "logits")
    ]
    graph = helper.make_graph(nodes, "teacher", [image], outputs)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)]), tmp_path / FILE)
    return tmp_path


def shades(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey views, each with its shade as target."""
    told = np.arange(n, dtype=np.int32) * 20
    return np.broadcast_to(told[:, None, None, None], (n, 224, 224, 3)).astype(np.uint8), told


def test_each_view_is_answered_once_and_kept_with_its_target(teacher: Path) -> None:
    found = views.answered(iter([shades(4), shades(5)]), 2, teacher, threads=1)
    assert found.pixels.shape == (9, views.KEPT, views.KEPT, 3)
    np.testing.assert_array_equal(found.pixels[:, 0, 0, 0], found.targets[0])
    np.testing.assert_allclose(found.logits[:, 0], found.targets[0] / 127.5 - 1, atol=2e-3)
    np.testing.assert_allclose(found.embedding.astype(np.float64).mean(axis=0), 0, atol=2e-3)
    np.testing.assert_allclose(found.embedding.astype(np.float64).std(axis=0), 1, atol=1e-2)


def test_a_batch_is_parts_of_views_beside_what_was_said_of_them(teacher: Path) -> None:
    found = views.answered(iter([shades(8)]), 1, teacher, threads=1)
    pixels, told, embedding, logits = views.drawn(np.random.default_rng(1), found, Stage(32, 1, 16, 0.0))
    assert (pixels.shape, pixels.dtype, embedding.shape) == ((16, 32, 32, 3), np.uint8, (16, 3))
    np.testing.assert_allclose(logits[:, 0].astype(np.float64), told / 127.5 - 1, atol=2e-3)
    again = views.drawn(np.random.default_rng(1), found, Stage(32, 1, 16, 0.0))
    np.testing.assert_array_equal(pixels, again[0])
