"""Networks whose answers are no numbers, infinite or of another shape, and one that eats memory, on every runtime."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from pipeline.errors import ModelLoadError, ModelOutputInvalid
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from tests.unit.pipeline import tiny_models, tiny_runtimes

node = helper.make_node
PICTURE = np.full((40, 50, 3), 90, np.uint8)


def opened(folder: Path, content: bytes, runtime: str, task: str, source: str, outputs: str, more: str = "") -> Any:
    (folder / "file").write_bytes(content)
    (folder / "manifest.toml").write_text(f"""
[[model]]
name = "m"
version = "1"
file = "file"
sha256 = "{tiny_models.sha256(content)}"
runtime = "{runtime}"
licence = "x"
source = "tests"
task = "{task}"
[model.input]
{source}
[model.outputs]
{outputs}
{more}
""")
    return ModelRoom([read_manifest(folder / "manifest.toml", "mine")]).load("m")


def onnx(folder: Path, *nodes: Any, **constants: object) -> Any:
    content = tiny_models.graph(nodes, constants, ["y"], 8)
    return opened(folder, content, "onnx", "subject", 'name = "image"\nsize = [8, 8]', 'subject = "y"',
                  '[model.labels]\nsubject = ["a", "b"]')  # fmt: skip


def mean() -> Any:
    return node("ReduceMean", ["image"], ["m"], axes=[1, 2], keepdims=0)


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([mean(), node("Div", ["m", "zero"], ["y"])], {"zero": np.zeros(1, np.float32)}),
        ([mean(), node("Sub", ["m", "m"], ["n"]), node("Div", ["n", "n"], ["y"])], {}),
        ([mean(), node("Identity", ["m"], ["y"])], {}),
        ([node("Identity", ["image"], ["y"])], {}),
        ([node("ReduceMean", ["image"], ["y"], keepdims=0)], {}),
        ([mean(), node("Concat", ["m", "m"], ["y"], axis=0)], {}),
        ([mean(), node("Mul", ["m", "huge"], ["y"])], {"huge": np.full(1, 1e30, np.float32)}),
    ],
    ids=["infinite", "no number", "three for two", "a picture", "no batch", "twice", "beyond one"],
)
def test_onnx(tmp_path: Path, nodes: list[Any], constants: dict[str, Any]) -> None:
    (answer,) = onnx(tmp_path, *nodes, **constants).predict([PICTURE])
    assert isinstance(answer, ModelOutputInvalid)


@pytest.mark.parametrize(("scale", "told"), [(1e38, "not finite"), (0.5, "shape")], ids=["infinite", "shape"])
def test_tflite(tmp_path: Path, scale: float, told: str) -> None:
    source = tiny_runtimes.Tensor("in", "uint8", scales=(scale,), zero_points=(0,))
    content = tiny_runtimes.tflite(tiny_runtimes.DEQUANTISE, source, tiny_runtimes.Tensor("out", "float32"))
    model = opened(tmp_path, content, "tflite", "subject", 'name = "in"\nsize = [2, 2]\ndtype = "uint8"', 'subject = "out"',
                   '[model.labels]\nsubject = ["a", "b"]')  # fmt: skip
    (answer,) = model.predict([PICTURE])
    assert isinstance(answer, ModelOutputInvalid) and told in str(answer)


def test_lightgbm(tmp_path: Path) -> None:
    """Leaves that are finite one by one, and infinite together: the softmax of infinities is no number."""
    text = tiny_runtimes.boosted(3).decode()
    huge = re.sub(
        r"^leaf_value=.*$",
        lambda found: "leaf_value=" + " ".join(["1e308"] * len(found[0].split())),
        text,
        flags=re.MULTILINE,
    )
    head, body = huge.split("\n\n", 1)
    trees = re.findall(r"Tree=\d+\n.*?(?=Tree=|end of trees)", body, re.DOTALL)
    head = re.sub(
        r"^tree_sizes=.*$", "tree_sizes=" + " ".join(str(len(tree)) for tree in trees), head, flags=re.MULTILINE
    )
    model = opened(tmp_path, f"{head}\n\n{body}".encode(), "lightgbm", "tabular", "features = 3",
                   'probabilities = "probabilities"', '[model.labels]\nprobabilities = ["a", "b", "c"]')  # fmt: skip
    (answer,) = model.predict([np.zeros(3)])
    assert isinstance(answer, ModelOutputInvalid)


def test_a_size_that_the_network_does_not_take_is_seen_when_it_is_loaded(tmp_path: Path) -> None:
    source = tiny_runtimes.Tensor("in", "uint8", scales=(0.5,), zero_points=(0,))
    content = tiny_runtimes.tflite(tiny_runtimes.DEQUANTISE, source, tiny_runtimes.Tensor("out", "float32"))
    with pytest.raises(ModelLoadError, match="the network takes"):
        opened(tmp_path, content, "tflite", "matte", 'name = "in"\nsize = [4, 4]\ndtype = "uint8"', 'mask = "out"')
    signed = tiny_runtimes.Tensor("in", "int8", scales=(0.5,), zero_points=(0,))
    content = tiny_runtimes.tflite(tiny_runtimes.DEQUANTISE, signed, tiny_runtimes.Tensor("out", "float32"))
    with pytest.raises(ModelLoadError, match="does not take the manifest's uint8"):
        opened(tmp_path, content, "tflite", "matte", 'name = "in"\nsize = [2, 2]\ndtype = "uint8"', 'mask = "out"')
    with pytest.raises(ModelLoadError, match="the network takes"):
        opened(tmp_path, tiny_models.matte(), "onnx", "matte", 'name = "image"\nsize = [9, 9]', 'mask = "mask"')


def test_a_network_that_eats_memory_for_one_picture_fails_that_picture_alone(tmp_path: Path) -> None:
    """It fills millions of numbers for each step of brightness. In a child with little memory: ONNX Runtime's own failure."""
    many = [
        node("ReduceMax", ["image"], ["max"], keepdims=0),
        node("Mul", ["max", "most"], ["count"]),
        node("Cast", ["count"], ["whole"], to=7),
        node("Unsqueeze", ["whole", "axis"], ["size"]),
        node("ConstantOfShape", ["size"], ["filled"]),
        node("ReduceMax", ["filled"], ["zero"], keepdims=0),
        mean(),
        node("Slice", ["m", "from", "to", "along"], ["two"]),
        node("Add", ["two", "zero"], ["logits"]),
        node("Softmax", ["logits"], ["y"], axis=1),
    ]
    one = np.array([1], np.int64)
    onnx(tmp_path, *many, **{"most": np.float32(8e6), "axis": one - 1, "from": one - 1, "to": one + 1, "along": one})
    script = """
import resource, sys
from pathlib import Path
import numpy as np
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
model = ModelRoom([read_manifest(Path(sys.argv[1]) / "manifest.toml", "mine")]).load("m")
dark, bright = np.full((8, 8, 3), 1, np.uint8), np.full((8, 8, 3), 255, np.uint8)
alone = model.predict([dark])
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, used + 2**29))
first, hungry, last = model.predict([dark, bright, dark])
print(getattr(hungry, "code", hungry), [first, last] == alone * 2)
"""
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert ended.stdout.split() == ["MODEL_OUT_OF_MEMORY", "True"], ended.stderr[-2000:]
