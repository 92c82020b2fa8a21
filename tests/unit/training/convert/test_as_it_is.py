"""ONNX and TFLite files stay what they are, unless a classifier's logits are inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from pipeline.errors import InvalidField, ModelRefused
from pipeline.models.room import FAMILIES
from tests.unit.pipeline import tiny_models
from tests.unit.training.convert.conftest import LABELS, description, expected
from training.convert import accept
from training.convert.opened import open_session

STARTER = Path(__file__).parents[4] / "models" / "starter"


def classifier(end: str | None, layout: str = "NHWC") -> bytes:
    """Mean colour times weights, then perhaps a softmax; output ``answer``."""
    axes, shape = ([1, 2], ["N", 32, 32, 3]) if layout == "NHWC" else ([2, 3], ["N", 3, 32, 32])
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=axes, keepdims=0),
        helper.make_node("Gemm", ["mean", "weights"], ["inner"]),
        helper.make_node(end, ["inner"], ["answer"]) if end else helper.make_node("Identity", ["inner"], ["answer"]),
    ]
    content = tiny_models.graph(nodes, {"weights": np.eye(3, dtype=np.float32) / 50}, ("answer",), 32)
    model = onnx.load_from_string(content)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape))
    return bytes(model.SerializeToString())


def test_a_plain_file_stays_the_same_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(classifier(None))
    accepted = accept(path, description())
    assert accepted.content == path.read_bytes()
    assert accepted.entry["outputs"] == {"logits": "answer"}
    assert accepted.proof.largest == {"answer": 0.0}


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_logits_before_a_softmax_are_brought_out(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(classifier("Softmax", layout))
    accepted = accept(path, description())
    assert accepted.entry["outputs"] == {"logits": "scanmill_logits"}
    assert accepted.entry["input"]["layout"] == layout
    red = np.full((32, 32, 3), (255, 0, 0), np.uint8)
    model = FAMILIES["classifier"](accepted.model_entry, open_session("onnx", accepted.content))
    (answer,) = model.predict([red])
    assert answer.probabilities["red"] == pytest.approx(np.exp(5.1) / (np.exp(5.1) + 2), abs=1e-4)


def test_one_of_many_heads_is_chosen_by_name() -> None:
    heads = {"logits": "mouth_logits", "cam": "mouth_cam"}
    said = description(labels=("normal", "abnormal"), outputs=heads, scale=255.0, mean=(0.5,) * 3, std=(0.5,) * 3)
    accepted = accept(STARTER / "cat_areas.onnx", said)
    assert accepted.entry["outputs"] == heads
    with pytest.raises(InvalidField, match="say which"):
        accept(STARTER / "cat_areas.onnx", description(labels=("normal", "abnormal")))


@pytest.mark.parametrize(
    ("file", "more"),
    [
        ("cat_face_detector.onnx", {"task": "detector", "labels": ("cat_face",), "thresholds": {"iou": 0.5}}),
        ("background.onnx", {"task": "matte", "labels": ()}),
        ("cat_validator.onnx", {"task": "subject", "labels": ("not_cat", "cat")}),
    ],
)
def test_every_family_is_found_by_its_outputs(file: str, more: dict[str, object]) -> None:
    accepted = accept(STARTER / file, description(scale=255.0, mean=(0.5,) * 3, std=(0.5,) * 3, **more))
    assert accepted.entry["task"] == more["task"]
    assert accepted.content == (STARTER / file).read_bytes()


def test_labels_must_be_as_many_as_classes(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(classifier(None))
    with pytest.raises(InvalidField, match="there are 2, but answer has 3"):
        accept(tmp_path / "net.onnx", description(labels=("a", "b")))


def test_an_answer_that_the_family_cannot_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(classifier(None))
    with pytest.raises(ModelRefused, match="cannot be read as that of a subject"):
        accept(tmp_path / "net.onnx", description(task="subject"))


def test_a_tflite_file_is_served_as_it_is(keras_nets: Path) -> None:
    known = expected(keras_nets)
    accepted = accept(keras_nets / "plain.tflite", description())
    assert accepted.content == (keras_nets / "plain.tflite").read_bytes()
    assert accepted.entry["runtime"] == "tflite"
    model = FAMILIES["classifier"](accepted.model_entry, open_session("tflite", accepted.content))
    for answer, logits in zip(model.predict(list(known["pictures"])), known["logits"], strict=True):
        assert max(answer.probabilities, key=answer.probabilities.get) == LABELS[logits.argmax()]
