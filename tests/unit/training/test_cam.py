"""Maps in closed form against `tf.GradientTape`: both layers, both forms, two networks, random and fitted; and in ONNX."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
import tf2onnx
from keras import layers

from pipeline.models.base import probabilities
from pipeline.models.maps import LEAST, gradient_map, is_flat
from training.cam import OUTPUTS, with_maps
from training.export import to_onnx
from training.onnx_cam import CAM, LOGITS, add_cam_outputs
from training.served import Served

pytestmark = pytest.mark.timeout(600)
SIZE, CLASSES, NEAR = 96, 3, 1e-4
LAYERS = ("top_conv", "top_activation")


def pictures(number: int = 3) -> Any:
    """Smooth coloured noise in 0..255; each has one colour that is stronger."""
    coarse = np.random.default_rng(number).uniform(0, 175, (number, 6, 6, 3))
    coarse += np.eye(3)[np.arange(number) % 3][:, None, None] * 80
    return np.clip(tf.image.resize(coarse, (SIZE, SIZE)).numpy(), 0, 255).astype(np.float32)


@cache
def network(name: str, fitted: bool = False) -> Any:
    """Every weight is away from its first value, so that a forgotten shift or scale shows."""
    keras.utils.set_random_seed(5)
    shape = (SIZE, SIZE, 3)
    body = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=shape, pooling="avg")
    dropped = layers.Dropout(0.2)(body.output)
    model = keras.Model(body.input, layers.Dense(CLASSES, activation="softmax", name="head")(dropped))
    rng = np.random.default_rng(5)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            scales, shifts = (
                (rng.uniform(0.7, 1.3, layer.gamma.shape) for _ in "gv"),
                rng.normal(0, 0.2, (2, *layer.gamma.shape)),
            )
            layer.set_weights([next(scales), shifts[0], shifts[1], next(scales)])
        elif getattr(layer, "use_bias", False):
            layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape))
    settle(model)
    if fitted:
        fit(model)
    return model


def settle(model: Any) -> None:
    """Batch norms by what passes through them, else everything fades on its way through so many random layers."""
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    model(pictures(12), training=True)


def fit(model: Any) -> None:
    """Teach the last convolution, its batch norm and the dense layer to tell the strongest colour."""
    convolution = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)][-1]
    features = keras.Model(model.input, convolution.input)(pictures(12), training=False)
    top = keras.Model(convolution.input, model.output)
    optimizer, wanted = keras.optimizers.Adam(3e-3), np.arange(12) % 3
    losses = []
    for _ in range(30):
        with tf.GradientTape() as tape:
            chances = top(features, training=False)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(wanted, chances))
        optimizer.apply_gradients(
            zip(tape.gradient(loss, top.trainable_variables), top.trainable_variables, strict=True)
        )
        losses.append(float(loss))
    assert losses[-1] < 0.3 * losses[0], losses


def by_tape(model: Any, layer: str, given: Any) -> dict[str, Any]:
    """The seed's way (S0.38), by form: the mean gradients of one score at one layer weigh its planes; then ReLU.

    Several pictures at once: each score depends on its own picture alone.
    """
    dense = model.get_layer("head")
    with tf.GradientTape(persistent=True) as tape:
        found, pooled = keras.Model(model.input, [tapped(model, layer), dense.input])(given, training=False)
        logits = tf.matmul(pooled, dense.kernel) + dense.bias
        first, second = tf.unstack(tf.math.top_k(logits, 2).values, axis=1)
        scores = {"logit_difference": first - second, "probability": tf.reduce_max(tf.nn.softmax(logits), axis=1)}
    maps = {}
    for form, score in scores.items():
        weights = tf.reduce_mean(tape.gradient(score, found), axis=(1, 2), keepdims=True)
        maps[form] = tf.maximum(tf.reduce_sum(found * weights, axis=-1), 0).numpy()
    return maps


def tapped(model: Any, layer: str) -> Any:
    if layer == "top_activation":
        return [one for one in model.layers if isinstance(one, layers.GlobalAveragePooling2D)][-1].input
    return [one for one in model.layers if isinstance(one, layers.Conv2D)][-1].output


def normalised(heat: Any) -> Any:
    heat = np.maximum(heat, 0)
    return heat / heat.max()


@pytest.mark.parametrize(
    ("name", "fitted"),
    [
        ("MobileNetV3Small", False),
        ("MobileNetV3Small", True),
        pytest.param("EfficientNetB1", False, marks=pytest.mark.slow),
        ("EfficientNetB1", True),
    ],
)
def test_one_forward_pass_gives_the_tape_s_map(name: str, fitted: bool) -> None:
    model, given = network(name, fitted), pictures()
    for layer in LAYERS:
        found = with_maps(model, layer)(given, training=False)
        assert found["cam"].shape == (3, 3, 3, CLASSES)
        logits = found["logits"].numpy().astype(np.float64)
        assert np.allclose(probabilities(logits), model(given, training=False), atol=1e-6)
        for form, tape in by_tape(model, layer, given).items():
            for expected, maps, own in zip(tape, found["cam"].numpy(), logits, strict=True):
                gap = np.abs(normalised(gradient_map(form, maps, own)) - normalised(expected)).max()
                assert gap < NEAR, (layer, form, gap)


@pytest.mark.parametrize("name", ["MobileNetV3Small", pytest.param("EfficientNetB1", marks=pytest.mark.slow)])
def test_a_converted_network_gets_the_same_maps_by_surgery(name: str) -> None:
    converted_gives_the_same(network(name), pictures())


def converted_gives_the_same(model: Any, given: Any) -> None:
    signature = [tf.TensorSpec((None, *given.shape[1:]), tf.float32, name="image")]
    plain, _ = tf2onnx.convert.from_keras(model, input_signature=signature, opset=17)
    for layer in LAYERS:
        widened = add_cam_outputs(plain, layer)
        assert widened is not None
        session = onnxruntime.InferenceSession(widened.SerializeToString(), providers=["CPUExecutionProvider"])
        cam, logits, was = session.run([CAM, LOGITS, plain.graph.output[0].name], {"image": given})
        expected = {key: value.numpy() for key, value in with_maps(model, layer)(given, training=False).items()}
        assert np.abs(cam - expected["cam"]).max() < NEAR * np.abs(expected["cam"]).max()
        assert np.allclose(logits, expected["logits"], atol=1e-5)
        assert np.allclose(was, model(given, training=False), atol=1e-5), "what was there still answers"


def test_a_recipe_writes_the_maps_into_its_file(tmp_path: Path) -> None:
    """`to_onnx` holds the file to Keras."""
    tail = layers.Activation("silu"), layers.GlobalAveragePooling2D(), layers.Dense(2, "softmax")
    call = partial(with_maps(small(*tail)), training=False)
    to_onnx(Served(tmp_path / "net.onnx", 16, OUTPUTS, call))
    made = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"]).get_outputs()
    assert [(one.name, one.shape[0], one.shape[-1]) for one in made] == [("logits", "N", 2), ("cam", "N", 2)]


def test_a_saturated_softmax_blanks_the_probability_and_not_the_logits() -> None:
    """The seed then divides zero by zero; here the blank map is called flat."""
    model, given = network("MobileNetV3Small"), pictures(1)
    kept = model.get_layer("head").get_weights()
    try:
        model.get_layer("head").set_weights([kept[0] * 2e3, kept[1]])
        tape = by_tape(model, "top_conv", given)
        assert tape["probability"].max() == 0
        found = with_maps(model)(given, training=False)
        logits, maps = found["logits"].numpy()[0].astype(np.float64), found["cam"].numpy()[0]
        blank = gradient_map("probability", maps, logits)
        assert np.isfinite(blank).all() and np.abs(blank).max() < LEAST
        assert is_flat(np.maximum(blank, 0), float(np.abs(blank).max()))
        told = gradient_map("logit_difference", maps, logits)
        assert not is_flat(np.maximum(told, 0), float(np.abs(told).max()))
        assert np.abs(normalised(told) - normalised(tape["logit_difference"][0])).max() < NEAR
    finally:
        model.get_layer("head").set_weights(kept)


def small(*tail: Any) -> Any:
    """A network of one convolution and these layers."""
    x = image = keras.Input((16, 16, 3))
    for layer in (layers.Conv2D(4, 3, use_bias=False), *tail):
        x = layer(x)
    return keras.Model(image, x)


@pytest.mark.parametrize(
    "tail",
    [
        (layers.GlobalMaxPooling2D(), layers.Dense(2)),
        (layers.GlobalAveragePooling2D(), layers.Dense(2, activation="sigmoid")),
        (layers.GlobalAveragePooling2D(), layers.Dense(3, activation="relu"), layers.Dense(2)),
        (layers.Activation("selu"), layers.GlobalAveragePooling2D(), layers.Dense(2)),
        (layers.MaxPooling2D(), layers.GlobalAveragePooling2D(), layers.Dense(2)),
        (layers.ReLU(), layers.BatchNormalization(), layers.GlobalAveragePooling2D(), layers.Dense(2)),
    ],
)
def test_a_network_of_another_form_is_refused(tail: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        with_maps(small(*tail))


@pytest.mark.parametrize(
    "tail",
    [
        (layers.BatchNormalization(), layers.GlobalAveragePooling2D(), layers.Dense(2)),
        (
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
            layers.Softmax(),
        ),
        (layers.BatchNormalization(), layers.ReLU(6), layers.GlobalAveragePooling2D(), layers.Dense(2, "softmax")),
        (
            layers.BatchNormalization(scale=False),
            layers.Activation("silu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ),
        (layers.BatchNormalization(), layers.Activation("hard_silu"), layers.GlobalAveragePooling2D(), layers.Dense(2)),
        (layers.Activation("silu"), layers.GlobalAveragePooling2D(keepdims=True), layers.Flatten(), layers.Dense(2)),
    ],
)
def test_other_ways_to_write_the_same_form(tail: tuple[Any, ...]) -> None:
    model = small(*tail)
    rng = np.random.default_rng(8)
    for layer in model.layers:
        layer.set_weights([rng.uniform(0.3, 2, one.shape) - ("kernel" in one.path) for one in layer.weights])
    converted_gives_the_same(model, rng.normal(0, 3, (2, 16, 16, 3)).astype(np.float32))
