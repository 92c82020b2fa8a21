"""Hostile model files are refused before a runtime sees them, or by it, always with one error."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.errors import ModelLoadError
from pipeline.models.sessions import OPENERS, OnnxSession, Opening
from tests.unit.pipeline import tiny_models as tiny


def parsed() -> onnx.ModelProto:
    model = onnx.ModelProto()
    model.ParseFromString(tiny.validator())
    return model


def external(tensor: onnx.TensorProto, place: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)


def with_external_weights(place: str) -> bytes:
    model = parsed()
    external(model.graph.initializer[0], place)
    return bytes(model.SerializeToString())


def with_external_constant_node() -> bytes:
    model = parsed()
    tensor = helper.make_tensor("value", TensorProto.FLOAT, [1], [1.0])
    external(tensor, "weights.bin")
    model.graph.node.insert(0, helper.make_node("Constant", [], ["unused"], value=tensor))
    return bytes(model.SerializeToString())


def with_external_weights_in_a_branch() -> bytes:
    model = parsed()
    tensor = helper.make_tensor("inner", TensorProto.FLOAT, [1], [1.0])
    external(tensor, "weights.bin")
    branch = helper.make_graph(
        [], "branch", [], [helper.make_tensor_value_info("inner", TensorProto.FLOAT, [1])], [tensor]
    )
    model.graph.node.append(helper.make_node("If", ["flag"], ["chosen"], then_branch=branch, else_branch=branch))
    return bytes(model.SerializeToString())


def with_foreign_operator(inside: bool) -> bytes:
    model = parsed()
    node = helper.make_node("Run", ["image"], ["other"], domain="com.stranger")
    if inside:
        branch = helper.make_graph(
            [node], "branch", [], [helper.make_tensor_value_info("other", TensorProto.FLOAT, None)]
        )
        node = helper.make_node("If", ["flag"], ["chosen"], then_branch=branch, else_branch=branch)
    model.graph.node.append(node)
    model.opset_import.append(helper.make_opsetid("com.stranger", 1))
    return bytes(model.SerializeToString())


HOSTILE = {
    "external weights": (with_external_weights("weights.bin"), "another file"),
    "external weights above": (with_external_weights("../../../etc/passwd"), "another file"),
    "external constant": (with_external_constant_node(), "another file"),
    "external weights in a branch": (with_external_weights_in_a_branch(), "another file"),
    "foreign operator": (with_foreign_operator(inside=False), "com.stranger"),
    "foreign operator in a branch": (with_foreign_operator(inside=True), "com.stranger"),
    "text": (b"this is not a model at all", "not an ONNX model|no graph"),
    "nothing": (b"", "no graph"),
    "truncated": (tiny.validator()[:-40], "not an ONNX model|refuses|no graph"),
    "zeros": (b"\0" * 4096, "not an ONNX model|no graph"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_onnx_file_is_refused(name: str) -> None:
    content, told = HOSTILE[name]
    with pytest.raises(ModelLoadError, match=told):
        OnnxSession(content)


def test_a_graph_that_cannot_be_run_is_refused() -> None:
    model = parsed()
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(ModelLoadError, match="refuses"):
        OnnxSession(model.SerializeToString())


@pytest.mark.parametrize("content", [b"", b"not a flatbuffer", b"\0\0\0\0TFL3" + b"\xff" * 64])
def test_a_broken_tflite_file_is_refused(content: bytes) -> None:
    with pytest.raises(ModelLoadError):
        OPENERS["tflite"](content, Opening())


def test_a_session_says_its_names_and_its_fixed_batch() -> None:
    session = OnnxSession(tiny.validator())
    assert session.batch == 1, "one picture a pass on a CPU"
    assert session.input_names == {"image"}
    assert session.output_names == {"subject", "breed"}
    assert OnnxSession(tiny.validator(batch=4)).batch == 4


def test_only_the_asked_outputs_come_back() -> None:
    found = OnnxSession(tiny.validator()).run("image", np.zeros((3, 32, 32, 3), np.float32), ["breed"])
    assert list(found) == ["breed"] and found["breed"].shape == (3, 3)
