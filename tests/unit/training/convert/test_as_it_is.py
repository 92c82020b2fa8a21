"""ONNX and TFLite files stay what they are, unless a classifier's logits are inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from pipeline.errors import InvalidField, ModelRefused
from pipeline.models.explanation import Explanation
from pipeline.models.room import FAMILIES
from tests.unit.pipeline import tiny_models
from tests.unit.training.convert.conftest import description, expected
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
    accepted = accept(path, description(explain="none"))
    assert accepted.content == path.read_bytes()
    assert accepted.entry["outputs"] == {"logits": "answer"}
    assert accepted.proof.largest == {"answer": 0.0}


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_logits_before_a_softmax_are_brought_out(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(classifier("Softmax", layout))
    accepted = accept(path, description(explain="none"))
    assert accepted.entry["outputs"] == {"logits": "scanmill_logits"}
    assert accepted.entry["input"]["layout"] == layout
    red = np.full((32, 32, 3), (255, 0, 0), np.uint8)
    model = FAMILIES["classifier"](accepted.model_entry, open_session("onnx", accepted.content))
    (answer,) = model.predict([red])
    assert answer.probabilities["red"] == pytest.approx(np.exp(5.1) / (np.exp(5.1) + 2), abs=1e-4)


def test_one_of_many_heads_is_chosen_by_name() -> None:
    heads = {"logits": "mouth_logits", "cam": "mouth_cam"}
    said = {"labels": ("normal", "abnormal"), "outputs": heads, "scale": 255.0, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    with pytest.raises(InvalidField, match="of which layer"):
        description(**said)
    accepted = accept(STARTER / "cat_areas.onnx", description(**said, layer="top_activation"))
    assert accepted.entry["outputs"] == heads
    assert accepted.content == (STARTER / "cat_areas.onnx").read_bytes()
    assert accepted.model_entry.explanation == Explanation(layer="top_activation")
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
    with pytest.raises(InvalidField, match="there are 2, but scanmill_logits has 3 values"):
        accept(tmp_path / "net.onnx", description(labels=("a", "b")))


def test_an_answer_that_the_family_cannot_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(classifier(None))
    with pytest.raises(ModelRefused, match="cannot be read as that of a subject"):
        accept(tmp_path / "net.onnx", description(task="subject"))


def two_heads() -> bytes:
    """Convolution, ReLU, pooling, and two dense layers with the outputs ``one`` and ``two``."""
    node, rng = helper.make_node, np.random.default_rng(4)
    nodes = [
        node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]), node("Conv", ["planes", "kernel"], ["z"]),
        node("Relu", ["z"], ["a"]), node("GlobalAveragePool", ["a"], ["mean"]), node("Flatten", ["mean"], ["flat"]),
        node("MatMul", ["flat", "first"], ["one"]), node("MatMul", ["flat", "second"], ["two"]),
    ]  # fmt: skip
    weights = {name: rng.normal(size=(5, 3)).astype(np.float32) for name in ("first", "second")}
    kernel = rng.normal(size=(5, 3, 3, 3)).astype(np.float32) / 100
    return tiny_models.graph(nodes, {**weights, "kernel": kernel}, ("one", "two"), 32)


@pytest.mark.parametrize("head", ["one", "two"])
def test_each_head_gets_its_own_maps(tmp_path: Path, head: str) -> None:
    (tmp_path / "net.onnx").write_bytes(two_heads())
    accepted = accept(tmp_path / "net.onnx", description(outputs={"logits": head}, layer="top_activation"))
    session = open_session("onnx", accepted.content)
    batch = np.random.default_rng(1).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    names = (head, accepted.entry["outputs"]["logits"], accepted.entry["outputs"]["cam"])
    answered, logits, maps = session.run("image", batch, names).values()
    assert np.array_equal(answered, logits)
    assert maps.mean(axis=(1, 2)) == pytest.approx(answered, rel=1e-4), "there is no bias"
    eigen = accept(tmp_path / "net.onnx", description(outputs={"logits": head}, explain="eigen-cam"))
    assert eigen.entry["outputs"] == {"logits": head, "features": "scanmill_features"}


def test_what_cannot_be_explained_so_is_said(tmp_path: Path) -> None:
    body = tiny_models.graph(
        [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("MatMul", ["flat", "weights"], ["answer"])],
        {"weights": np.ones((3072, 3), np.float32)}, ("answer",), 32,
    )  # fmt: skip
    (tmp_path / "net.onnx").write_bytes(body)
    for method, sentence in (("grad-cam", "closed form"), ("eigen-cam", "global average pooling")):
        with pytest.raises(InvalidField, match=sentence):
            accept(tmp_path / "net.onnx", description(explain=method))
    accepted = accept(tmp_path / "net.onnx", description(explain="occlusion"))
    assert accepted.model_entry.explanation == Explanation("occlusion")
    assert accepted.content == body


@pytest.mark.timeout(300)  # TensorFlow makes the files
@pytest.mark.parametrize(("name", "role"), [("logits.tflite", "logits"), ("chances.tflite", "probabilities")])
def test_a_tflite_file_is_served_as_it_is(keras_nets: Path, name: str, role: str) -> None:
    known = expected(keras_nets)
    accepted = accept(keras_nets / name, description())
    assert accepted.content == (keras_nets / name).read_bytes()
    assert (accepted.entry["runtime"], set(accepted.entry["outputs"])) == ("tflite", {role})
    model = FAMILIES["classifier"](accepted.model_entry, open_session("tflite", accepted.content))
    for answer, chances in zip(model.predict(list(known["pictures"])), known["plain"], strict=True):
        assert list(answer.probabilities.values()) == pytest.approx(chances.tolist(), abs=1e-4)


def test_a_lightgbm_text_is_served_as_it_is(tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    rows = np.random.default_rng(2).normal(size=(300, 3))
    data = lightgbm.Dataset(rows, label=np.digitize(rows[:, 0], (-0.5, 0.5)), params={"verbose": -1})
    booster = lightgbm.train({"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}, data, 5)
    booster.save_model(tmp_path / "net.txt")
    accepted = accept(tmp_path / "net.txt", description(task="tabular"))
    assert accepted.content == (tmp_path / "net.txt").read_bytes()
    model = FAMILIES["tabular"](accepted.model_entry, open_session("lightgbm", accepted.content))
    for answer, chances in zip(model.predict(list(rows[:20])), booster.predict(rows[:20]), strict=True):
        assert list(answer.values()) == pytest.approx(chances.tolist(), abs=1e-9)
    with pytest.raises(InvalidField, match="numbers, not pictures"):
        accept(tmp_path / "net.txt", description(task="tabular"), [tmp_path / "net.txt"])
    with pytest.raises(InvalidField, match="there are 2"):
        accept(tmp_path / "net.txt", description(task="tabular", labels=("a", "b")))
