"""The five heads on either body: one forward pass gives logits and the maps that Grad-CAM gives; and so does the file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from pipeline.errors import InvalidField
from training.crops import AREAS
from training.export import to_onnx
from training.networks import batch_norms
from training.place import Place
from training.recipes import areas
from training.run import arguments, work
from training.served import Served

SIZE = 64


def pictures() -> Any:
    coarse = np.random.default_rng(2).uniform(-1, 1, (4, 4, 4, 3))
    return tf.image.resize(coarse, (SIZE, SIZE))


@cache
def network(form: str) -> Any:
    """Batch norms by what passes through them, else everything fades on its way through random layers."""
    model = areas.build(form=form)
    for layer in batch_norms(model):
        layer.momentum = 0.0
    model(pictures(), training=True)
    return model


@pytest.mark.parametrize("form", areas.FORMS)
def test_a_map_is_grad_cam_of_abnormal_against_normal(form: str) -> None:
    model = network(form)
    found = areas.with_maps(model)(pictures())
    with tf.GradientTape(persistent=True) as tape:
        features, logits = model(pictures(), training=False)
        margins = [logits[:, number, 1] - logits[:, number, 0] for number in range(len(AREAS))]
    for area, margin in zip(AREAS, margins, strict=True):
        weights = tf.reduce_mean(tape.gradient(margin, features), axis=(1, 2), keepdims=True)
        expected, got = tf.reduce_sum(features * weights, axis=-1).numpy(), found[f"{area}_cam"].numpy()
        scale = np.abs(got).max(axis=(1, 2), keepdims=True)
        assert (scale > 0).all()
        assert np.abs(expected / np.abs(expected).max(axis=(1, 2), keepdims=True) - got / scale).max() < 1e-4, area


@pytest.mark.parametrize("form", [areas.SMALL, pytest.param("efficientnet_b1", marks=pytest.mark.slow)])
@pytest.mark.timeout(600)
def test_the_file_says_the_same(form: str, tmp_path: Path) -> None:
    """`to_onnx` holds the file to Keras."""
    to_onnx(Served(tmp_path / "areas.onnx", SIZE, areas.OUTPUTS, areas.with_maps(areas.build(form=form))))
    made = onnxruntime.InferenceSession(str(tmp_path / "areas.onnx"), providers=["CPUExecutionProvider"])
    assert [one.name for one in made.get_outputs()] == list(areas.OUTPUTS)


def test_the_seed_s_form_is_an_efficientnet_b1() -> None:
    """As many weights as the published body has, 6,575,239, but for 7 of its normalisation; and our heads."""
    own = 1280 * 10 + 10
    assert network("efficientnet_b1").count_params() == 6_575_239 - 7 + own


def test_a_form_that_a_recipe_does_not_have_is_refused(tmp_path: Path) -> None:
    words = ["matte", "--data", str(tmp_path), "--out", str(tmp_path), "--form", "efficientnet_b1"]
    with pytest.raises(InvalidField, match="matte has no efficientnet_b1"):
        work(arguments().parse_args(words), Place(tmp_path, tmp_path))
