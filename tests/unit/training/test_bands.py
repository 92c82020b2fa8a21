"""Bands from scores whose truth is known: the budget is kept, and what n cannot show is not claimed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from training.bands import Share, band, least_pictures, within_error, within_share


def drawn(seed: int, n: int, slope: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Chances that are right: of those near p, the share p is positive."""
    rng = np.random.default_rng(seed)
    chances = 1 / (1 + np.exp(-rng.normal(0, slope, n)))
    return chances, rng.random(n) < chances


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 68), (10, 10), (21, 148)])
def test_bounds_are_those_of_clopper_and_pearson(k: int, n: int) -> None:
    found = Share.of(k, n, 0.95)
    exact = binomtest(k, n).proportion_ci(confidence_level=0.9, method="exact")  # two sides of 5 %
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_nothing_counted_is_nothing_known() -> None:
    assert (Share.of(0, 0, 0.95).low, Share.of(0, 0, 0.95).high) == (0.0, 1.0)


def test_a_band_counts_what_it_asks_and_what_is_wrong_outside_of_it() -> None:
    chances = np.array([0.01, 0.02, 0.45, 0.5, 0.55, 0.97, 0.99])
    positive = np.array([0, 1, 1, 0, 1, 1, 1])
    found = band(chances, positive, half=1.0)
    assert (found.asked.k, found.asked.n, found.wrong.k, found.wrong.n) == (3, 7, 1, 4)
    assert found.low == pytest.approx(1 / (1 + np.e)) and found.low + found.high == pytest.approx(1)


@pytest.mark.parametrize("most", [0.1, 0.2, 0.4])
def test_the_share_budget_holds_on_pictures_never_seen_as_often_as_it_says(most: float) -> None:
    fresh, truth = drawn(10_000, 200_000)
    kept = []
    for seed in range(200):
        found = within_share(*drawn(seed, 300), most)
        assert found is not None and found.asked.high <= most
        kept.append(float(((fresh >= found.low) & (fresh <= found.high)).mean()) <= most)
    assert np.mean(kept) >= 0.95 - 3 * (0.05 * 0.95 / 200) ** 0.5
    assert truth.any()


def test_the_error_budget_holds_on_pictures_never_seen_as_often_as_it_says() -> None:
    fresh, truth = drawn(10_000, 200_000)
    kept = []
    for seed in range(100):
        found = within_error(*drawn(seed, 3_000), 0.03)
        assert found is not None and found.wrong.high <= 0.03
        outside = (fresh < found.low) | (fresh > found.high)
        kept.append(float(((fresh >= 0.5) != truth)[outside].mean()) <= 0.03)
    assert np.mean(kept) >= 0.95


def test_it_is_the_widest_and_the_narrowest_band_that_keeps_the_budget() -> None:
    chances, positive = drawn(1, 3_000)
    shared, wrong = within_share(chances, positive, 0.2), within_error(chances, positive, 0.03)
    assert shared is not None and wrong is not None
    half = np.log(shared.high / shared.low)
    assert band(chances, positive, half + 0.1).asked.high > 0.2
    half = np.log(wrong.high / wrong.low)
    stricter = 1 - 0.05 / 61
    assert band(chances, positive, half - 0.1, stricter).wrong.high > 0.03


def test_too_few_pictures_show_nothing_even_without_an_error() -> None:
    need = least_pictures(0.02)
    sure, right = np.array([0.999] * (need - 1)), np.ones(need - 1)
    assert within_error(sure, right, 0.02) is None
    assert within_error(np.append(sure, 0.999), np.append(right, 1), 0.02) is not None
    assert within_share(np.array([0.9] * 5), np.ones(5), 0.2) is None
