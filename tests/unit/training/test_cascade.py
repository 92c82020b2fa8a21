"""What each policy reaches, from answers that are known, and what the command prints."""

from __future__ import annotations

import numpy as np
import pytest

from training.cascade import Answers, page, policies, reached, tuned

FAST = np.array([0.01, 0.4, 0.6, 0.99])
STRONG = np.array([0.9, 0.9, 0.1, 0.1])
TOLD = Answers(FAST, STRONG, np.array([False, True, False, True]), ["a", "b", "c", "d"])


def test_the_cascade_takes_the_strong_answer_inside_the_band_alone() -> None:
    found = policies(TOLD, 0.4, 0.6)
    assert found["cascade"].tolist() == [0.01, 0.9, 0.1, 0.99]
    assert found["ensemble"].tolist() == pytest.approx([0.455, 0.65, 0.35, 0.545])
    assert found["fast"] is FAST and found["strong"] is STRONG


def test_each_policy_s_accuracy_and_the_share_asked() -> None:
    values = {one.name: one.value for one in reached(TOLD, 0.4, 0.6, "known")}
    assert values == {"fast": 0.5, "strong": 0.5, "cascade": 1.0, "ensemble": 1.0, "asked by the cascade": 0.5}


def drawn(n: int) -> Answers:
    rng = np.random.default_rng(1)
    fast = 1 / (1 + np.exp(-rng.normal(0, 5, n)))
    return Answers(fast, fast, rng.random(n) < fast, [str(index % 30) for index in range(n)])


def test_the_page_tells_the_band_its_counts_and_each_policy() -> None:
    held, test = drawn(400), TOLD
    chosen = tuned(held, share=0.3, error=None)
    first, validation, last, *policy = page(chosen, {"validation": held, "test": test}).splitlines()
    assert first == f"low {chosen.low:.4f}, high {chosen.high:.4f}; bounds one-sided, at 95% confidence each"
    assert validation.startswith(f"validation, 30 groups: asked {chosen.asked.k} of 400 (")
    assert last.startswith("test, 4 groups: asked ") and len(policy) == 5


@pytest.mark.parametrize(("share", "error", "why"), [(0.01, None, "60 pictures cannot"), (None, 0.02, "it takes 352")])
def test_a_budget_that_so_few_pictures_cannot_show_is_refused(
    share: float | None, error: float | None, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        tuned(drawn(60), share, error)
