"""The arithmetic of maps, and the two methods for networks that give none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from pipeline.models.classifier import ClassAnswer, ClassifierModel
from pipeline.models.explanation import Explanation
from pipeline.models.hiding import hidden, hottest, occluded
from pipeline.models.manifest import read_manifest
from pipeline.models.maps import eigen_map, first_two, gradient_map, is_flat
from pipeline.models.sessions import OnnxSession
from tests.unit.pipeline import tiny_models as tiny

RNG = np.random.default_rng(2)
MAPS = RNG.normal(size=(4, 5, 3))


def test_a_map_of_the_logits_is_the_likeliest_class_s_before_the_runner_up_s() -> None:
    found = gradient_map("logit_difference", MAPS, np.array([1.0, 3.0, 2.0]))
    assert np.array_equal(found, MAPS[..., 1] - MAPS[..., 2])


def test_a_map_of_the_probability_is_its_gradient() -> None:
    logits = np.array([0.3, 0.9, -0.2])
    chances = np.exp(logits) / np.exp(logits).sum()
    slope = chances[1] * (np.eye(3)[1] - chances)
    assert np.allclose(gradient_map("probability", MAPS, logits), MAPS @ slope, atol=1e-12)


def test_a_difference_map_speaks_for_either_class() -> None:
    one = MAPS[..., 0]
    assert np.array_equal(gradient_map("logit_difference", one, np.array([0.0, 1.0])), one)
    assert np.array_equal(gradient_map("logit_difference", one, np.array([1.0, 0.0])), -one)


def test_two_classes_have_one_map_whatever_its_form() -> None:
    maps, logits = MAPS[..., :2], np.array([-9.0, 9.0])
    plain, faded = (gradient_map(form, maps, logits) for form in ("logit_difference", "probability"))
    assert np.allclose(plain / plain.max(), faded / faded.max(), atol=1e-12), "no digits are lost at p = 1 - 1.5e-8"


@pytest.mark.parametrize("distance", [800.0, 1e5])
def test_a_saturated_softmax_blanks_the_probability_only(distance: float) -> None:
    logits = np.array([0.0, distance, 1.0])
    assert first_two(logits) == (1, 2), "also where both other probabilities are exactly 0"
    blank, told = (gradient_map(form, MAPS, logits) for form in ("probability", "logit_difference"))
    assert is_flat(np.maximum(blank, 0), float(np.abs(blank).max()))
    assert not is_flat(np.maximum(told, 0), float(np.abs(told).max()))


def test_eigen_cam_finds_the_common_pattern_and_its_sign() -> None:
    pattern = np.maximum(RNG.normal(size=(5, 6)), 0)
    features = pattern[..., None] * RNG.uniform(0.5, 2, 12) + RNG.normal(0, 0.01, (5, 6, 12))
    found = eigen_map(features)
    assert np.allclose(found / found.max(), pattern / pattern.max(), atol=0.05)
    _, lengths, axes = np.linalg.svd(features.reshape(30, 12), full_matrices=False)
    assert np.allclose(np.abs(found.ravel()), np.abs(features.reshape(30, 12) @ axes[0]), atol=1e-9 * lengths[0])
    assert np.array_equal(eigen_map(np.zeros((3, 3, 4))), np.zeros((3, 3)))


def test_hiding_takes_the_hottest_part_and_fills_in_the_mean() -> None:
    heat = np.zeros((7, 7))
    heat[0, 6] = 1
    mask = hottest(heat, 0.02, (70, 70))
    assert mask.sum() == 98 and mask[:11, 58:].sum() == 98
    picture = np.zeros((70, 70, 3), np.float32)
    picture[:35] = 1
    changed = hidden(picture, mask, planes=False)
    assert (changed[mask] == 0.5).all() and np.array_equal(changed[~mask], picture[~mask])
    turned = hidden(picture.transpose(2, 0, 1), mask, planes=True)
    assert np.array_equal(turned, changed.transpose(2, 0, 1))
    assert picture.max() == 1 and picture[0, 69, 0] == 1, "the input is left as it is"


def test_every_patch_is_hidden_once() -> None:
    picture = RNG.uniform(size=(10, 11, 3))
    changed = occluded(picture, 3, planes=False) != picture
    assert np.array_equal(changed.all(axis=3).sum(axis=0), np.ones((10, 11)))


# --- networks without a map -------------------------------------------------------------------------------------------


def plain_network(output: str) -> bytes:
    """``logits``, their softmax, and the picture itself as ``features``: red beats green, over the mean colour."""
    node = helper.make_node
    nodes = [
        node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0),
        node("Gemm", ["mean", "weights"], ["logits"]),
        node("Softmax", ["logits"], ["chances"], axis=1),
        node("AveragePool", ["planes"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
        node("Transpose", ["cells"], ["features"], perm=[0, 2, 3, 1]),
    ]
    nodes.insert(3, node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]))
    weights = tiny.floats([[0, 6], [6, 0], [0, 0]])
    return tiny.graph(nodes, {"weights": weights}, (output, "features"), 56)


def classifier(folder: Path, output: str, role: str, **explanation: Any) -> ClassifierModel:
    content = plain_network(output)
    outputs = {role: output, "features": "features"}
    more = f'[model.labels]\n{role} = ["normal", "abnormal"]'
    manifest = tiny.write_pack(folder, [content], [tiny.entry("net", content, "classifier", 56, outputs, more)])
    entry = read_manifest(manifest, "tiny")["net"]
    return ClassifierModel(replace(entry, explanation=Explanation(**explanation)), OnnxSession(content))


def spotted() -> Any:
    """Black, with red in the third cell of the second row."""
    picture = np.zeros((56, 56, 3), np.uint8)
    picture[8:16, 16:24] = (250, 0, 0)
    return picture


def answer(model: ClassifierModel) -> ClassAnswer:
    found = model.predict([np.zeros((56, 56, 3), np.uint8), spotted()])[1]
    assert isinstance(found, ClassAnswer)
    return found


@pytest.mark.parametrize(("output", "role"), [("logits", "logits"), ("chances", "probabilities")])
def test_occlusion_finds_what_decides_in_any_network(tmp_path: Path, output: str, role: str) -> None:
    model = classifier(tmp_path, output, role, method="occlusion")
    found = answer(model)
    assert found.cam is not None and found.cam.shape == (7, 7) and found.cam_for == "abnormal"
    assert np.unravel_index(found.cam.argmax(), (7, 7)) == (1, 2)
    # 250 / 255 of red over 1 / 49 of the picture, at 6 a unit; the patch is filled with the mean, not with black.
    assert found.cam[1, 2] == pytest.approx(6 * 250 / 255 / 49 * 48 / 49, abs=1e-4)
    assert model.entry.explanation is not None and "7 x 7" in model.entry.explanation.text
    assert model.deletion([spotted()], [found], 1 / 49)[0] > 0  # type: ignore[operator]


def test_eigen_cam_speaks_for_no_label(tmp_path: Path) -> None:
    found = answer(classifier(tmp_path, "logits", "logits", method="eigen-cam"))
    assert found.cam is not None and found.cam_for is None
    assert np.unravel_index(found.cam.argmax(), (7, 7)) == (1, 2) and found.cam.sum() == pytest.approx(250 / 255)


def test_without_an_explanation_there_is_no_map(tmp_path: Path) -> None:
    model = classifier(tmp_path, "chances", "probabilities")
    bare = ClassifierModel(replace(model.entry, explanation=None), model.session)
    found = answer(bare)
    assert found.cam is None and found.cam_for is None and sum(found.probabilities.values()) == pytest.approx(1)
    assert bare.deletion([spotted()], [found], 0.2) == [None]


def test_methods_have_names_that_differ() -> None:
    ways = [
        Explanation(),
        Explanation(layer="top_activation"),
        Explanation(form="probability"),
        Explanation(method="eigen-cam"),
        Explanation(method="occlusion"),
    ]
    assert len({way.text for way in ways}) == len(ways)
    assert ways[0].text == "Grad-CAM, logit difference at top_conv, closed form"
