"""Stated chances against what came true, with known truths."""

import numpy as np
import pytest

from training.cases import Case
from training.evaluate import expected_calibration_error
from training.reliability import reliability


def case(key: str, chances: list[float], hits: list[float], unit: str = "", weight: float = 1.0) -> Case:
    said, was = np.array(chances, np.float32), np.array(hits, np.float32)
    return Case(key, "", True, {}, {}, unit or key, lambda: np.zeros((1, 1, 3), np.uint8), "", said, was, weight)


def random_cases(n: int, honest: bool) -> list[Case]:
    rng = np.random.default_rng(3)
    chances = rng.uniform(0, 1, n)
    true = chances if honest else np.full(n, 0.5)
    return [case(str(k), [chances[k]], [float(rng.random() < true[k])]) for k in range(n)]


def test_an_honest_forecaster_has_a_small_error_and_a_boaster_a_large_one() -> None:
    honest, boaster = (reliability("it", random_cases(4000, honest)) for honest in (True, False))
    assert honest is not None
    assert boaster is not None
    assert honest["error"]["value"] < 0.03
    assert boaster["error"]["value"] == pytest.approx(0.25, abs=0.03)
    assert boaster["error"]["low"] < boaster["error"]["value"] < boaster["error"]["high"]
    assert sum(one["n"] for one in honest["bins"]) == 4000


def test_the_error_is_that_of_the_figures() -> None:
    cases = random_cases(300, honest=False)
    found = reliability("it", cases)
    assert found is not None
    chances, hits = (np.concatenate([getattr(one, name) for one in cases]) for name in ("chances", "hits"))
    assert found["error"]["value"] == pytest.approx(expected_calibration_error(chances, hits), abs=1e-4)


def test_weights_count() -> None:
    found = reliability("it", [case("1", [0.95], [1.0], weight=3), case("2", [0.95], [0.0], weight=1)])
    assert found is not None
    assert found["bins"] == [
        {"from": 0.9, "to": 1.0, "n": 2, "said": 0.95, "was": 0.75, "low": 0.0, "high": 1.0},
    ]


def test_answers_about_one_unit_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    hits = [float(rng.random() < 0.5) for _ in range(40)]
    alone = reliability("it", [case(str(k), [0.8], [hit]) for k, hit in enumerate(hits)])
    together = reliability(
        "it", [case(f"{k}-{t}", [0.8], [hit], str(k)) for k, hit in enumerate(hits) for t in range(9)]
    )
    assert alone is not None
    assert together is not None
    assert (alone["n"], together["n"]) == (40, 40)
    assert together["error"] == alone["error"]


def test_who_states_no_chances_has_no_curve() -> None:
    assert reliability("it", [case("1", [], [])]) is None
    assert reliability("", random_cases(10, honest=True)) is None
