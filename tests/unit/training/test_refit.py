"""A last layer fitted to the end finds what there is to find, and the penalty is chosen on others."""

import numpy as np
import pytest

from training import refit
from training.data import Floats


def made(count: int, seed: int) -> tuple[Floats, Floats]:
    """Four features, of which the first two tell three labels; the scales differ a hundredfold."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    centres = np.array([[0, 0], [3, 0], [0, 3]])[labels]
    features = np.concatenate([centres, np.zeros((count, 2))], axis=1) + rng.normal(0, 1, (count, 4))
    return np.asarray(features * [1, 100, 1, 0.01], np.float32), labels.astype(np.float32)


def test_labels_of_others_are_found() -> None:
    kernel, bias = refit.best(made(400, 1), made(200, 2), 3)
    features, labels = made(400, 3)
    assert kernel.shape == (4, 3) and bias.shape == (3,)
    assert ((features @ kernel + bias).argmax(axis=1) == labels).mean() > 0.85


def test_labels_that_nothing_tells_get_even_chances() -> None:
    features, _ = made(60, 1)
    noise = np.random.default_rng(4).integers(0, 3, 60).astype(np.float32)
    kernel, bias = refit.best((features, noise), (made(300, 5)[0], np.tile([0, 1, 2], 100).astype(np.float32)), 3)
    assert np.ptp(features @ kernel + bias, axis=1).mean() < 1.0
    assert refit.cross_entropy(np.zeros((3, 4)), [0, 1, 3]) == pytest.approx(np.log(4))
