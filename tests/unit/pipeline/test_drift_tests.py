"""The tests on counts say what SciPy's say, which no image of ours has."""

from __future__ import annotations

import pytest
from scipy import stats

from pipeline.drift_tests import chi_squared_p, fisher_p, holm, kolmogorov_p, shift, words_p


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 10])
@pytest.mark.parametrize("value", [0.0, 0.01, 1.0, 3.84, 12.5, 80.0])
def test_the_tail_of_chi_squared(degrees: int, value: float) -> None:
    assert chi_squared_p(value, degrees) == pytest.approx(stats.chi2.sf(value, degrees), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(("hits", "n", "others", "m"), [(0, 50, 6, 60), (3, 900, 4, 60), (2, 50, 2, 50), (0, 9, 0, 7)])
def test_fisher_is_exact(hits: int, n: int, others: int, m: int) -> None:
    wanted = stats.fisher_exact([[hits, n - hits], [others, m - others]]).pvalue
    assert fisher_p(hits, n, others, m) == pytest.approx(wanted, rel=1e-6)


def test_kolmogorov_is_near_the_exact_one_and_never_much_below() -> None:
    for n, m in ((50, 50), (60, 400), (2000, 700)):
        for distance in (0.03, 0.1, 0.2, 0.3):
            exact = stats.kstwo.sf(distance, round(n * m / (n + m)))
            assert kolmogorov_p(distance, n, m) == pytest.approx(exact, rel=0.15, abs=2e-3)
    assert kolmogorov_p(0.0, 50, 50) == 1.0


def test_the_distance_is_that_of_the_sums() -> None:
    assert shift([10, 0, 10], [0, 10, 10]) == 0.5
    assert shift([5, 5], [50, 50]) == 0


def test_words_are_tested_by_what_their_numbers_allow() -> None:
    before, after = {"a": 300, "b": 100, "c": 40}, {"a": 90, "b": 60, "c": 20}
    table = [list(before.values()), list(after.values())]
    assert words_p(before, after) == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)
    rare = {**before, "d": 1, "e": 1, "f": 1}
    pooled = words_p(rare, after)
    assert pooled > 0.001 and words_p({"a": 10}, {"a": 20}) == 1.0
    few = words_p({"yes": 1, "no": 99}, {"yes": 4, "no": 56})
    assert few == pytest.approx(stats.fisher_exact([[1, 99], [4, 56]]).pvalue, rel=1e-6)


def test_a_word_that_was_never_there_is_noticed() -> None:
    assert words_p({"ok": 500}, {"ok": 50, "NOT_AN_EYE": 30}) < 1e-20


def test_holm_is_fair_over_all_tests() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([]) == []
