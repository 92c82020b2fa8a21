"""Anchors, decoding and suppression, on numbers that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.imaging.anchors import FULL_RANGE, SHORT_RANGE, anchors, decode, overlaps, sigmoid, weighted_suppression


def test_the_short_range_has_896_anchors_and_the_full_range_2304() -> None:
    short, full = anchors(128, SHORT_RANGE), anchors(192, FULL_RANGE)
    assert short.shape == (896, 2) and full.shape == (2304, 2)
    assert (short[0] == short[1]).all() and short[0].tolist() == [0.5 / 16, 0.5 / 16]
    assert short[2].tolist() == [1.5 / 16, 0.5 / 16], "the next cell is the one to the right"
    assert short[511].tolist() == [15.5 / 16, 15.5 / 16]
    assert (short[512:518] == 0.5 / 8).all() and short[518].tolist() == [1.5 / 8, 0.5 / 8]
    assert full[48].tolist() == [0.5 / 48, 1.5 / 48]


def test_numbers_become_a_box_about_the_anchor_and_points_beside_it() -> None:
    raw = np.array([[12.8, -12.8, 64.0, 32.0, 0.0, 0.0, 6.4, 0.0]])
    found = decode(raw, np.array([[0.5, 0.5]]), 128)
    assert found == pytest.approx(np.array([[0.35, 0.275, 0.85, 0.525, 0.5, 0.5, 0.55, 0.5]]))


def test_boxes_that_overlap_become_their_weighted_mean_with_the_best_score() -> None:
    boxes = np.array([[0.0, 0, 10, 10, 2, 2], [0, 0, 10, 12, 4, 2], [50, 50, 60, 60, 55, 55]])
    merged, scores = weighted_suppression(boxes, np.array([0.3, 0.9, 0.8]), 0.3)
    assert scores.tolist() == [0.9, 0.8]
    assert merged[0] == pytest.approx(0.75 * boxes[1] + 0.25 * boxes[0])
    assert merged[1] == pytest.approx(boxes[2])


def test_boxes_that_barely_touch_stay_two() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [6, 0, 16, 10]])  # 40 of 160: IoU 0.25
    assert overlaps(boxes[0], boxes).tolist() == [1.0, 0.25]
    assert len(weighted_suppression(boxes, np.array([0.9, 0.8]), 0.3)[0]) == 2
    assert len(weighted_suppression(boxes, np.array([0.9, 0.8]), 0.2)[0]) == 1


def test_a_box_that_overlaps_only_what_was_merged_away_stays() -> None:
    """Overlap counts with the best box, not with the group."""
    boxes = np.array([[0.0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]])
    assert len(weighted_suppression(boxes, np.array([0.9, 0.8, 0.7]), 0.3)[0]) == 2


def test_nothing_and_boxes_without_area_do_no_harm() -> None:
    merged, scores = weighted_suppression(np.empty((0, 16)), np.empty(0), 0.3)
    assert merged.shape == (0, 16) and scores.shape == (0,)
    flat = np.array([[5.0, 5, 5, 5], [9, 9, 2, 2]])
    assert len(weighted_suppression(flat, np.array([0.5, 0.4]), 0.3)[0]) == 2


def test_the_order_of_boxes_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    low = rng.uniform(0, 1, (60, 2))
    boxes, scores = np.hstack([low, low + rng.uniform(0.05, 0.4, (60, 2))]), rng.permutation(60) / 60 + 0.01
    turned = rng.permutation(60)
    one, other = weighted_suppression(boxes, scores, 0.3), weighted_suppression(boxes[turned], scores[turned], 0.3)
    assert one[0] == pytest.approx(other[0]) and one[1] == pytest.approx(other[1])


def test_a_chance_is_finite_however_large_the_logit() -> None:
    assert sigmoid(np.array([0.0, 1e6, -1e6])) == pytest.approx([0.5, 1, 0])
