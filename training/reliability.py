"""Does it happen as often as it says? Stated chances beside what came true, in ten bins, with intervals."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from training.cases import Case
from training.evaluate import Doubles, spread

BINS: Final = 10
EDGES: Final = np.linspace(0, 1, BINS + 1)


def reliability(of: str, cases: Sequence[Case]) -> dict[str, Any] | None:
    """Bins and expected calibration error over equal-width bins; None where no chances are stated."""
    stated = [case for case in cases if len(case.chances)]
    if not of or not stated:
        return None
    sums = by_unit(stated)
    counts = np.sum([np.bincount(slots(case.chances), minlength=BINS) for case in stated], axis=0)
    error = spread(len(sums), lambda chosen: calibration_error(sums[chosen].sum(axis=0)))
    lows, highs = spread(len(sums), lambda chosen: came_true(sums[chosen].sum(axis=0)))
    total = sums.sum(axis=0)
    said, was = total[:, 1] / np.maximum(total[:, 0], 1e-12), came_true(total)
    return {
        "of": of,
        "n": len(sums),
        "error": rounded(value=calibration_error(total), low=error[0], high=error[1]),
        "bins": [
            {"from": round(float(EDGES[k]), 1), "to": round(float(EDGES[k + 1]), 1), "n": int(counts[k])}
            | rounded(said=said[k], was=was[k], low=lows[k], high=highs[k])
            for k in range(BINS)
            if counts[k]
        ],
    }


def rounded(**numbers: Any) -> dict[str, float]:
    """Four decimals are more than the intervals know."""
    return {name: round(float(value), 4) for name, value in numbers.items()}


def slots(chances: Any) -> Any:
    """Bin of each chance."""
    return np.minimum((chances * BINS).astype(int), BINS - 1)


def by_unit(cases: Sequence[Case]) -> Doubles:
    """[units,bins,3]: weight, weighted chances, weighted hits."""
    number = {unit: k for k, unit in enumerate(dict.fromkeys(case.unit for case in cases))}
    sums = np.zeros((len(number), BINS, 3))
    for case in cases:
        values = np.stack([np.ones_like(case.chances), case.chances, case.hits], axis=1) * case.weight
        np.add.at(sums[number[case.unit]], slots(case.chances), values)
    return sums


def calibration_error(sums: Doubles) -> float:
    """Mean gap between chance and frequency, weighted by the bins' share: sums [bins,3]."""
    return float(np.abs(sums[:, 1] - sums[:, 2]).sum() / max(sums[:, 0].sum(), 1e-12))


def came_true(sums: Doubles) -> Doubles:
    """Share that came true in each bin; nan where there was none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[:, 2] / sums[:, 0])
