"""A rounded network answers as the one before nearly, and lies on the grid that int8 keeps."""

import keras
import numpy as np
import pytest
from keras import layers

from training import findings
from training.rounding import on_grid, rounded

IMAGES = np.random.default_rng(3).normal(0, 1, (6, 64, 64, 3)).astype(np.float32)


def test_a_kernel_is_kept_by_its_channel_s_integers() -> None:
    kernel = np.random.default_rng(0).normal(0, [1, 10, 0], (3, 3, 4, 3)).astype(np.float32)
    found = on_grid(kernel)
    for channel in range(2):
        step = np.abs(kernel[..., channel]).max() / 127
        integers = found[..., channel] / step
        assert np.abs(integers - np.round(integers)).max() < 1e-4 and np.abs(integers).max() == pytest.approx(127)
        assert np.abs(found - kernel)[..., channel].max() <= step / 2 + 1e-6
    assert (found[..., 2] == 0).all()
    assert np.allclose(on_grid(found), found, atol=1e-7)


def test_the_rounded_network_answers_nearly_the_same() -> None:
    keras.utils.set_random_seed(1)
    network = findings.build((6, 8, 10), 4, 64, most=6.0)
    rng = np.random.default_rng(2)
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 2, w.shape).astype(np.float32) for w in layer.get_weights()])
    made = rounded(network)
    assert not any(isinstance(layer, layers.BatchNormalization | layers.Dropout) for layer in made.layers)
    before, after = (np.asarray(one(IMAGES, training=False)) for one in (network, made))
    assert np.abs(after - before).max() < 0.03 * np.ptp(before)
    assert np.abs(after - before).max() > 0


def test_a_network_of_another_form_is_refused() -> None:
    image = keras.Input((8, 8, 3))
    biased = keras.Model(image, layers.BatchNormalization()(layers.Conv2D(2, 3)(image)))
    with pytest.raises(ValueError, match="bias of its own"):
        rounded(biased)
    with pytest.raises(ValueError, match="follow no convolution"):
        rounded(keras.Model(image, layers.BatchNormalization()(layers.ReLU()(image))))
