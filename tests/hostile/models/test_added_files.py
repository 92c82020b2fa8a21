"""Files that crash, hang or eat up what reads them: the child ends, we say so, nothing else is harmed."""

from __future__ import annotations

import importlib.util
import itertools
import os
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.errors import ModelRefused
from tests.hostile.models.traps import onnx_file, refused, torchscript
from training.convert import Description, accept, intake

node = helper.make_node
SAID = Description("trap", "1", "classifier", "none", "tests", ("a", "b"))


def constant(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def children() -> set[str]:
    """Process numbers of this process's children, of all its threads."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def endless() -> bytes:
    """A loop of 2^62 turns."""
    turn = helper.make_tensor_value_info("turn", TensorProto.INT64, [])
    on, kept = (helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("on", "kept"))
    value, more = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in ("value", "more"))
    body = helper.make_graph(
        [node("Identity", ["on"], ["kept"]), node("Add", ["value", "value"], ["more"])], "body", [turn, on, value], [kept, more]
    )  # fmt: skip
    nodes = [
        node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0),
        node("Slice", ["mean", "zero", "two", "one"], ["first"]),
        node("Loop", ["turns", "true", "first"], ["answer"], body=body),
    ]
    true = numpy_helper.from_array(np.array(True), "true")
    turns = numpy_helper.from_array(np.array(2**62, np.int64), "turns")
    return onnx_file(nodes, constant("zero", 0), constant("two", 2), constant("one", 1), turns, true)


def eating() -> bytes:
    """Asks for 192 × 2^28 floats, but only once it runs: the shape depends on the picture."""
    nodes = [
        node("Shape", ["image"], ["shape"]),
        node("Mul", ["shape", "factor"], ["large"]),
        node("Expand", ["image", "repeat"], ["wide"]),
        node("ConstantOfShape", ["large"], ["eaten"]),
        node("ReduceSum", ["eaten"], ["sum"], keepdims=0),
        node("ReduceMean", ["wide"], ["mean"], axes=[1, 2], keepdims=0),
        node("Add", ["mean", "sum"], ["all"]),
        node("Slice", ["all", "zero", "two", "one"], ["answer"]),
    ]
    constants = [constant("factor", 2**28, 1, 1, 1), constant("repeat", 1, 1, 1, 1), constant("zero", 0)]
    return onnx_file(nodes, *constants, constant("two", 2), constant("one", 1))


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch, which crashes here, is not installed")
def test_a_file_that_crashes_its_reader_is_refused(tmp_path: Path) -> None:
    """A million tuples in each other: PyTorch's reader runs out of stack."""
    refused(
        tmp_path / "trap.pt", torchscript(b"\x80\x02)" + b"\x85" * 10**6 + b"."), r"crashes what reads it \(SIG", (8, 8)
    )


def test_functions_that_call_each_other_without_end_are_refused(tmp_path: Path) -> None:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model = onnx.load_from_string(onnx_file([node("f", ["image"], ["answer"], domain="own")], domain="own"))
    body = [node("f", ["x"], ["y"], domain="own")]
    model.functions.append(helper.make_function("own", "f", ["x"], ["y"], body, opsets))
    refused(tmp_path / "trap.onnx", model.SerializeToString(), "do not fit|refuses the model")


def test_a_tensor_that_no_scan_needs_is_refused(tmp_path: Path) -> None:
    """A few bytes that ask for four terabytes."""
    nodes = [
        node("ConstantOfShape", ["shape"], ["huge"]),
        node("ReduceSum", ["huge"], ["sum"], keepdims=0),
        node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0),
        node("Add", ["mean", "sum"], ["answer"]),
    ]
    refused(tmp_path / "trap.onnx", onnx_file(nodes, constant("shape", 2**20, 2**20)), "a tensor of shape")


def test_a_network_that_never_ends_is_ended(tmp_path: Path) -> None:
    before, began = children(), time.monotonic()
    refused(tmp_path / "trap.onnx", endless(), "took longer than 6 s", deadline_s=6)
    assert time.monotonic() - began < 20
    assert children() <= before


def test_processor_time_is_bounded_too(tmp_path: Path) -> None:
    refused(tmp_path / "trap.onnx", endless(), "more than 4 s of processor time", cpu_s=4)


def test_a_network_that_eats_memory_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "trap.onnx", eating(), "more than 1,024 MiB of memory", memory_bytes=2**30)


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    outside = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3, 2], data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="../../../etc/passwd")
    nodes = [
        node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0),
        node("MatMul", ["mean", "w"], ["answer"]),
    ]
    refused(tmp_path / "trap.onnx", onnx_file(nodes, outside), "weights in another file")


def test_operators_of_a_library_are_refused(tmp_path: Path) -> None:
    content = onnx_file([node("Run", ["image"], ["answer"], domain="evil")], domain="evil")
    refused(tmp_path / "trap.onnx", content, "operators of .*evil")


def test_a_chain_longer_than_our_own_stack_is_refused(tmp_path: Path) -> None:
    """Thousands of nodes between the convolution and the pooling, where Grad-CAM's slope is looked for."""
    length = 3_000
    names = ["z", *(f"r{place}" for place in range(length))]
    nodes = [
        node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        node("Conv", ["planes", "kernel"], ["z"]),
        *(node("Sigmoid", [before], [after]) for before, after in itertools.pairwise(names)),
        node("GlobalAveragePool", [names[-1]], ["mean"]),
        node("Flatten", ["mean"], ["flat"]),
        node("MatMul", ["flat", "weights"], ["answer"]),
    ]
    kernel = numpy_helper.from_array(np.ones((2, 3, 1, 1), np.float32), "kernel")
    weights = numpy_helper.from_array(np.ones((2, 2), np.float32), "weights")
    refused(tmp_path / "trap.onnx", onnx_file(nodes, kernel, weights), "put together as none is: RecursionError")


def test_an_answer_that_is_no_number_is_refused(tmp_path: Path) -> None:
    nodes = [
        node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0),
        node("Sub", ["mean", "mean"], ["nought"]),
        node("Div", ["mean", "nought"], ["all"]),
        node("Slice", ["all", "zero", "two", "one"], ["answer"]),
    ]
    constants = constant("zero", 0), constant("two", 2), constant("one", 1)
    refused(tmp_path / "trap.onnx", onnx_file(nodes, *constants), "not finite")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("trap.onnx", b"MZ\x90\x00 no model", "not an ONNX model"),
        ("trap.onnx", b"", "empty"),
        ("trap.tflite", b"\x1c\x00\x00\x00TFL3" + b"\xff" * 64, "LiteRT refuses|cannot be read|crashes"),
        ("trap.tflite", b"TFL3", "does not begin as"),
        ("trap.exe", b"MZ", "'?\\.exe'? is none of"),
        ("trap", b"MZ", "without suffix"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    refused(tmp_path / name, content, sentence)


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_BYTES", 1000)
    refused(tmp_path / "trap.onnx", bytes(2000), "larger than")


def test_a_pipe_and_a_folder_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "trap.onnx")
    with pytest.raises(ModelRefused, match="no plain file"):
        accept(tmp_path / "trap.onnx", SAID)
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(ModelRefused, match="no plain file"):
        accept(tmp_path / "folder.onnx", SAID)
