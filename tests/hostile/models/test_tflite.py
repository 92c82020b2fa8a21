"""TFLite files that are cut, changed or absurd."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import ModelLoadError
from pipeline.models.litert import LiteRtSession
from tests.unit.pipeline import tiny_runtimes as tiny

GOOD = tiny.tflite(
    tiny.QUANTISE, tiny.Tensor("in", "float32"), tiny.Tensor("out", "int8", scales=(0.5,), zero_points=(0,))
)


def of_shape(shape: tuple[int, ...]) -> bytes:
    stored = tiny.Tensor("out", "int8", shape, (0.5,), (0,))
    return tiny.tflite(tiny.QUANTISE, tiny.Tensor("in", "float32", shape), stored)


@pytest.mark.parametrize(
    "content",
    [b"", b"text", b"\0\0\0\0TFL3" + b"\xff" * 64, GOOD[: len(GOOD) // 2], GOOD[:64], GOOD[:4] + b"ONNX" + GOOD[8:]],
    ids=["nothing", "text", "offsets", "half", "head", "another kind"],
)
def test_a_broken_file_is_refused(content: bytes) -> None:
    with pytest.raises(ModelLoadError):
        LiteRtSession(content)


@pytest.mark.parametrize("shape", [(1, 40_000, 40_000, 3), (2**31 - 1,) * 3, (65_536, 65_536)])
def test_absurd_shapes_are_refused_before_they_are_allocated(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelLoadError, match=r"more than|overflowed"):
        LiteRtSession(of_shape(shape))


def test_a_negative_side_and_an_unknown_operator_are_refused() -> None:
    for content in (
        of_shape((1, -4, 4, 3)),
        tiny.tflite(5_000, tiny.Tensor("in", "float32"), tiny.Tensor("out", "int8")),
    ):
        with pytest.raises(ModelLoadError):
            LiteRtSession(content)


@pytest.mark.parametrize(
    ("scale", "zero_point"),
    [(-0.5, 0), (float("nan"), 0), (float("inf"), 0), (0.5, 191), (0.5, 2**31), (0.5, -(2**31))],
)
def test_scales_that_would_crash_a_kernel_are_refused(scale: float, zero_point: int) -> None:
    stored = tiny.Tensor("out", "int8", scales=(scale,), zero_points=(zero_point,))
    with pytest.raises(ModelLoadError):
        LiteRtSession(tiny.tflite(tiny.QUANTISE, tiny.Tensor("in", "float32"), stored))


def test_any_prefix_and_any_flipped_byte_is_refused_or_runs(tmp_path: Path) -> None:
    """In a child, so that a crash fails this test and not all of them."""
    (tmp_path / "net.tflite").write_bytes(GOOD)
    script = """
import random, sys
from pipeline.errors import ModelLoadError
from pipeline.models.litert import LiteRtSession
content = open(sys.argv[1], "rb").read()
rng = random.Random(1)
changed = [content[:n] for n in range(len(content))]
for place in range(len(content)):
    for _ in range(2):
        changed.append(content[:place] + bytes([rng.randrange(256)]) + content[place + 1 :])
refused = 0
for each in changed:
    try:
        LiteRtSession(each)
    except ModelLoadError:
        refused += 1
print("refused", refused, len(changed))
"""
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "net.tflite")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    refused, tried = map(int, ended.stdout.rpartition("refused")[2].split())
    assert tried / 2 < refused <= tried
