"""Groups are drawn again, not their members."""

import numpy as np
import pytest

from training.evaluate import Metric
from training.grouped import accuracy, balanced, grouped


def test_pictures_of_one_group_do_not_make_an_interval_shorter() -> None:
    right = np.array([1, 1, 1, 0, 1, 0, 1, 1] * 4, float)
    alone = grouped("accuracy", [str(k) for k in range(8)], accuracy(right[:8]), "test")
    copied = grouped("accuracy", [str(k % 8) for k in range(32)], accuracy(right), "test")
    assert (alone.value, alone.low, alone.high) == (copied.value, copied.low, copied.high)
    assert (alone.n, copied.n) == (8, 8)
    by_picture = Metric.mean("accuracy", right, "test")
    assert by_picture.high - by_picture.low < copied.high - copied.low


def test_balanced_accuracy_counts_both_classes_alike() -> None:
    right, yes = np.array([1.0] * 9 + [0.0]), np.array([True] * 9 + [False])
    assert balanced(right, yes)(np.arange(10)) == pytest.approx(0.5)
    assert np.isnan(balanced(right, yes)(np.arange(9)))
    found = grouped("balanced accuracy", [str(k) for k in range(10)], balanced(right, yes), "test")
    assert 0 <= found.low <= found.value <= found.high <= 1
