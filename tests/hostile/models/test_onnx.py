"""ONNX files that ask for more than a scan may have: refused before the runtime allocates.

Foreign operators and weights in other files: tests/unit/pipeline/models/test_sessions.py.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.errors import ModelLoadError
from pipeline.models import onnx_check
from pipeline.models.sessions import OnnxSession
from tests.unit.pipeline import tiny_models as tiny

node = helper.make_node
HUGE = 200_000


def graph(nodes: list[onnx.NodeProto], **constants: object) -> bytes:
    """From ``image`` [N,4,4,3] to ``y``; most of these do not even look at it."""
    return tiny.graph(nodes, constants, ["y"], 4)


def sides(*values: int) -> object:
    return np.array(values, np.int64)


def declared(shape: list[int], held: int = 4) -> bytes:
    """A constant that says it is huge, and holds next to nothing."""
    model = onnx.ModelProto()
    model.ParseFromString(graph([node("Identity", ["image"], ["y"])], weights=np.zeros(held, np.float32)))
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(shape)
    return bytes(model.SerializeToString())


def input_of(shape: list[int]) -> bytes:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    made = helper.make_graph([node("Identity", ["image"], ["y"])], "g", [image], [y])
    return bytes(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString())


def nested(depth: int) -> bytes:
    """Branches in branches: protobuf's own limit ends them."""
    inner = helper.make_graph(
        [node("Identity", ["image"], ["b"])], "g", [], [helper.make_tensor_value_info("b", 1, None)]
    )
    for _ in range(depth):
        step = node("If", ["flag"], ["b"], then_branch=inner, else_branch=inner)
        step.attribute[1].g.Clear()
        inner = helper.make_graph([step], "g", [], [helper.make_tensor_value_info("b", 1, None)])
    return graph([node("If", ["flag"], ["y"], then_branch=inner, else_branch=inner)])


ONE = np.ones((1, 1), np.float32)
HOSTILE = {
    "a constant that says it has 10^12 numbers": lambda: declared([1_000_000, 1_000_000]),
    "a constant of a negative side": lambda: declared([-4, 4]),
    "sides whose product wraps around to 4": lambda: declared([2**62, 2**2, 4]),
    "an input of 10^10 numbers": lambda: input_of([1, HUGE, HUGE, 3]),
    "an input of a negative side": lambda: input_of([1, -5, 4, 3]),
    "a fill": lambda: graph([node("ConstantOfShape", ["s"], ["y"])], s=sides(HUGE, HUGE)),
    "a fill of a computed size": lambda: graph(
        [node("Mul", ["s", "s"], ["t"]), node("ConstantOfShape", ["t"], ["y"])], s=sides(HUGE, HUGE)
    ),
    "an expansion": lambda: graph([node("Expand", ["one", "s"], ["y"])], s=sides(HUGE, HUGE), one=ONE),
    "tiles": lambda: graph([node("Tile", ["one", "s"], ["y"])], s=sides(HUGE, HUGE), one=ONE),
    "padding": lambda: graph([node("Pad", ["one", "p"], ["y"])], p=sides(10**11, 0, 0, 0), one=ONE),
    "a range": lambda: graph(
        [node("Range", ["a", "b", "c"], ["y"])], a=np.float32(0), b=np.float32(1e11), c=np.float32(1)
    ),
    "resizing": lambda: graph([node("Resize", ["one", "", "", "s"], ["y"])], s=sides(HUGE, HUGE), one=ONE),
    "one-hot vectors": lambda: graph(
        [node("OneHot", ["i", "d", "v"], ["y"])], i=sides(*range(10)), d=sides(10**10), v=np.array([0, 1], np.float32)
    ),
    "branches in branches": lambda: nested(20),
}


@pytest.fixture(autouse=True)
def _no_memory_for_it() -> object:
    """Whoever allocates what is asked for here fails in another way than by refusing."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("name", HOSTILE)
def test_absurd_sizes_are_refused_before_they_are_allocated(name: str) -> None:
    make: Callable[[], bytes] = HOSTILE[name]
    content = make()
    assert len(content) < 100_000
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelLoadError):
        OnnxSession(content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most < 64 * 1024, "kilobytes"


def test_a_file_beyond_the_limit_is_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_check, "MOST_BYTES", 100)
    with pytest.raises(ModelLoadError, match="bytes"):
        OnnxSession(tiny.validator())


def test_what_a_scan_needs_is_still_taken() -> None:
    session = OnnxSession(
        graph([node("Resize", ["image", "", "s"], ["y"], mode="linear")], s=np.array([1, 9, 9, 1], np.float32))
    )
    found = session.run("image", np.zeros((1, 4, 4, 3), np.float32), ["y"])
    assert found["y"].shape == (1, 36, 36, 3)


def test_any_prefix_and_any_flipped_byte_is_refused_or_runs_and_never_kills(tmp_path: Path) -> None:
    """In a child, so that a crash fails this test and not all of them."""
    (tmp_path / "net.onnx").write_bytes(tiny.validator())
    script = """
import random, sys
from pipeline.errors import ModelLoadError
from pipeline.models.sessions import OnnxSession
content = open(sys.argv[1], "rb").read()
rng = random.Random(1)
changed = [content[:n] for n in range(0, len(content), 7)]
for _ in range(150):
    copy = bytearray(content)
    for _ in range(rng.randrange(1, 4)):
        copy[rng.randrange(len(copy))] = rng.randrange(256)
    changed.append(bytes(copy))
refused = 0
for each in changed:
    try:
        OnnxSession(each)
    except ModelLoadError:
        refused += 1
print("refused", refused, len(changed))
"""
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "net.onnx")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    refused, tried = map(int, ended.stdout.rpartition("refused")[2].split())
    assert tried / 2 < refused <= tried
