"""Figures of maps against plain loops over every limit, and what they say of maps whose worth is known."""

import numpy as np
import pytest
from scipy import ndimage

from training.anomaly_scores import MOST, Curves, Judged, f1
from training.evaluate import auc

ALL = np.arange(6)


def truth() -> np.ndarray:
    """Two normal pictures, one with a large defect, one with a small one, two with both."""
    masks = np.zeros((6, 40, 40), bool)
    masks[[2, 4, 5], 4:24, 4:24] = True
    masks[[3, 4, 5], 34:37, 34:37] = True
    return masks


def maps(strength: float, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (6, 40, 40))
    return (noise + strength * truth()).astype(np.float32)


def pro_by_loops(heat: np.ndarray, masks: np.ndarray) -> float:
    """Every value is a limit; regions one by one."""
    regions = [
        (n, marks == k) for n, (marks, count) in enumerate(map(ndimage.label, masks)) for k in range(1, count + 1)
    ]
    points = [(0.0, 0.0)]
    for limit in np.sort(heat.ravel())[::-1]:
        false = float((heat[~masks] >= limit).mean())
        points.append((false, float(np.mean([(heat[n][inside] >= limit).mean() for n, inside in regions]))))
        if false > MOST:
            break
    across, up = np.array(points).T
    at = np.interp(MOST, across, up)
    inside = across <= MOST
    return float(np.trapezoid(np.append(up[inside], at), np.append(across[inside], MOST)) / MOST)


@pytest.mark.parametrize("strength", [0.0, 0.7, 2.0])
def test_pixels_and_regions_are_those_of_loops(strength: float) -> None:
    heat, masks = maps(strength), truth()
    curves = Curves.of(heat, masks)
    assert curves.count.tolist() == [0, 0, 1, 1, 2, 2]
    assert curves.auroc(ALL) == pytest.approx(auc(heat.ravel()[::3], masks.ravel()[::3].tolist()), abs=0.03)
    above = np.searchsorted(np.sort(heat[~masks]), heat[masks]).mean() / (~masks).sum()
    assert curves.auroc(ALL) == pytest.approx(above, abs=1e-3)
    assert curves.pro(ALL) == pytest.approx(pro_by_loops(heat, masks), abs=2e-3)


def test_a_map_that_is_the_truth_is_worth_one_and_a_blind_one_what_chance_is() -> None:
    whole = Curves.of(truth().astype(np.float32), truth())
    assert (whole.auroc(ALL), whole.pro(ALL)) == (1.0, 1.0)
    blind = Curves.of(np.ones((6, 40, 40), np.float32), truth())
    assert blind.auroc(ALL) == pytest.approx(0.5) and blind.pro(ALL) == pytest.approx(MOST / 2)


def test_a_small_region_counts_as_much_as_a_large_one() -> None:
    """All but the small regions are found: nearly all odd pixels, but only half of the regions."""
    seen = truth()
    seen[:, 34:37, 34:37] = False
    curves = Curves.of(seen.astype(np.float32), truth())
    assert curves.auroc(ALL) > 0.98
    assert curves.pro(ALL) == pytest.approx(0.5 + 0.5 * MOST / 2, abs=0.02)


def test_pictures_without_regions_have_no_figure() -> None:
    curves = Curves.of(maps(1.0), truth())
    assert np.isnan(curves.auroc(np.array([0, 1]))) and np.isnan(curves.pro(np.array([0, 1])))


def test_f1_is_of_the_limit_that_was_given() -> None:
    scores, odd = np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, True, False, True])
    assert f1(scores, odd, 2.0)(np.arange(4)) == pytest.approx(2 * 2 / (3 + 2))
    assert f1(scores, odd, 9.0)(np.arange(4)) == 0
    assert np.isnan(f1(scores, odd, 2.0)(np.array([0, 2])))


def test_figures_have_names_intervals_and_their_limit() -> None:
    masks = truth()
    known = [masks[index] if masks[index].any() else None for index in range(6)]
    groups, odd = [f"group {index}" for index in range(6)], masks.any(axis=(1, 2))
    found = Judged(groups, odd, np.arange(6.0), maps(2.0), known).metrics("a set", "test part", 2.5)
    assert [metric.name for metric in found] == [
        "image AUROC, a set", "F1 at the limit, a set", "pixel AUROC, a set", "PRO to FPR 0.3, a set",
    ]  # fmt: skip
    assert all(metric.low <= metric.value <= metric.high and metric.n == 6 for metric in found)
    assert found[0].value == 1.0 and "limit 2.5" in found[1].on and "6 regions" in found[3].on
    unmarked = Judged(groups, odd, np.arange(6.0), maps(2.0), [None] * 6).metrics("a set", "test part", 2.5)
    assert len(unmarked) == 2, "nobody said where"
