"""Scores against cases worked out by hand."""

import numpy as np
import pytest

from training import evaluate
from training.data import Floats


def box(*numbers: float) -> Floats:
    return np.array(numbers, np.float32)


def test_iou_of_boxes() -> None:
    assert evaluate.box_iou(box(5, 5, 10, 10), box(5, 5, 10, 10)) == pytest.approx(1.0)
    assert evaluate.box_iou(box(5, 5, 10, 10), box(10, 5, 10, 10)) == pytest.approx(50 / 150)
    assert evaluate.box_iou(box(5, 5, 10, 10), box(50, 5, 10, 10)) == 0.0


def test_suppression_keeps_the_best_and_the_far() -> None:
    boxes = np.array([[5, 5, 10, 10], [6, 5, 10, 10], [50, 5, 10, 10]], np.float32)
    assert evaluate.suppress(boxes, np.array([0.6, 0.9, 0.7], np.float32), 0.5) == [1, 2]
    assert evaluate.suppress(boxes, np.array([0.6, 0.9, 0.3], np.float32), 0.5) == [1]


def test_average_precision() -> None:
    assert evaluate.average_precision([0.9, 0.8], [True, True], 2) == pytest.approx(1.0)
    # recall 1/2 at precision 1, then 1 at precision 2/3
    assert evaluate.average_precision([0.9, 0.8, 0.7], [True, False, True], 2) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert evaluate.average_precision([0.9], [True], 4) == pytest.approx(0.25)
    assert evaluate.average_precision([], [], 4) == 0.0


def test_iou_of_masks() -> None:
    found = np.array([[1, 1], [0, 0]], np.float32)
    truth = np.array([[1, 0], [1, 0]], np.float32)
    assert evaluate.mask_iou(found, truth) == pytest.approx(1 / 3)
    assert evaluate.mask_iou(found * 0, truth * 0) == 1.0


def test_area_under_the_curve() -> None:
    assert evaluate.auc([0.1, 0.4, 0.35, 0.8], [False, False, True, True]) == pytest.approx(0.75)
    assert evaluate.auc([0.5, 0.5], [True, False]) == pytest.approx(0.5)


def test_calibration_error() -> None:
    chances = np.array([0.95, 0.95, 0.95, 0.95], np.float32)
    assert evaluate.expected_calibration_error(chances, np.array([1, 1, 1, 0], np.float32)) == pytest.approx(
        0.2, abs=1e-6
    )


def test_interval_holds_the_mean_and_is_repeatable() -> None:
    values = np.arange(50, dtype=np.float32)
    metric = evaluate.Metric.mean("m", values, "here")
    assert metric.low < metric.value == 24.5 < metric.high
    assert metric == evaluate.Metric.mean("m", values, "here")


def test_an_interval_is_never_without_width() -> None:
    """Twelve of twelve is no certainty: with a true share of 0.735 it happens once in forty times."""
    all_right, none = (evaluate.Metric.mean("m", np.full(12, value), "here") for value in (1.0, 0.0))
    assert (all_right.low, all_right.high) == (pytest.approx(0.735, abs=0.001), 1.0)
    assert (none.low, none.high) == (0.0, pytest.approx(0.265, abs=0.001))
    assert all_right.low**12 == pytest.approx(0.025)


def test_the_spread_of_several_numbers_leaves_out_what_is_not_there() -> None:
    values = np.array([1.0, 2.0, np.nan])
    low, high = evaluate.spread(3, lambda chosen: np.array([len(chosen), values[chosen].mean()]))
    assert low[0] == high[0] == 3
    assert 1 <= low[1] < high[1] <= 2


def test_temperature_undoes_a_known_one() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 2)).astype(np.float32)
    chance = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    labels = (rng.random(4000) < chance).astype(np.float32)
    assert evaluate.fit_temperature(logits * 3, labels) == pytest.approx(3.0, rel=0.1)


def test_line_undoes_a_known_one() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 2, 20000).astype(np.float32)
    right = (rng.random(20000) < 1 / (1 + np.exp(-truth))).astype(np.float32)
    scale, offset = evaluate.fit_line(truth * 2 + 1, right)
    assert (scale, offset) == pytest.approx((0.5, -0.5), abs=0.08)
