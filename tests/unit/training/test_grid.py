"""The search for the fast model: whole groups, every combination, the best."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from pipeline.errors import TrainingTooFewPictures
from training import grid
from training.data import Floats
from training.recipes.cataract_fast import SETTINGS

row = pytest.mark.row


def made_up(groups: int = 40, each: int = 5, seed: int = 2) -> grid.Sheet:
    """Two clouds; what is of one group lies together, whatever its label."""
    rng = np.random.default_rng(seed)
    names = [f"g{k:02d}" for k in range(groups) for _ in range(each)]
    labels = np.repeat(np.arange(groups) % 2, each).astype(np.float32)
    own = np.repeat(rng.normal(0, 2, (groups, 8)), each, axis=0)
    rows = own + rng.normal(0, 0.1, own.shape) + labels[:, None]
    return grid.Sheet(rows.astype(np.float32), labels, names, len(names))


@row("S3.14")
def test_groups_stay_whole_and_classes_are_spread() -> None:
    rng = np.random.default_rng(0)
    groups = [f"g{int(k)}" for k in np.sort(rng.integers(0, 50, 600) ** 2 // 50)]
    labels = np.array([hash_of(name) % 3 == 0 for name in groups], np.float32)
    side = grid.folds(groups, labels)
    for name in set(groups):
        assert len({int(fold) for fold, group in zip(side, groups, strict=True) if group == name}) == 1
    assert set(side) == set(range(grid.FOLDS))
    for label in (0, 1):
        shares = [float((labels[side == fold] == label).sum() / (labels == label).sum()) for fold in range(grid.FOLDS)]
        assert min(shares) > 0.1 and max(shares) < 0.3, shares
    assert np.array_equal(side, grid.folds(groups, labels))


def hash_of(name: str) -> int:
    return sum(name.encode())


@row("S3.19")
def test_every_combination_of_the_seed_is_tried_and_the_best_mean_wins() -> None:
    heard: list[tuple[int, int]] = []
    trials = grid.search(made_up(), SETTINGS | {"min_data_in_leaf": 5}, 0.05, lambda *told: heard.append(told))
    tried = [tuple(one.parameters.values()) for one in trials]
    assert len(tried) == len(set(tried)) == 36
    assert {name: {one.parameters[name] for one in trials} for name in grid.GRID} == {
        "n_estimators": {100, 200, 300},
        "learning_rate": {0.01, 0.1, 0.2},
        "max_depth": {3, 5, 7, 9},
    }
    assert all(len(one.areas) == grid.FOLDS and 0 <= one.mean <= 1 and one.error >= 0 for one in trials)
    assert grid.best(trials).mean == max(one.mean for one in trials)
    assert heard[0] == (0, 60) and heard[-1] == (59, 60)


def test_the_first_trees_of_many_are_those_of_few() -> None:
    """What the search spares itself: 100 trees alone are the first 100 of 300."""
    sheet = made_up()
    own = grid.settings({"learning_rate": 0.1, "max_depth": 5}, SETTINGS)
    few, many = (grid.fitted(sheet.rows, sheet.labels, own, count) for count in (5, 15))
    assert np.array_equal(few.predict(sheet.rows), many.predict(sheet.rows, num_iteration=5))


def test_no_picture_of_a_fold_helps_to_judge_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels that only a group's own place tells cannot be guessed from other groups; with its own pictures they could."""
    sheet = made_up(seed=5)
    rng = np.random.default_rng(1)
    by_group = dict(zip(sorted(set(sheet.groups)), rng.permutation(np.arange(40) % 2), strict=True))
    labels: Floats = np.array([by_group[name] for name in sheet.groups], np.float32)
    rows = sheet.rows - made_up().labels[:, None]
    blind = grid.Sheet(rows, labels, sheet.groups, sheet.asked)
    mine = SETTINGS | {"min_data_in_leaf": 3, "feature_fraction": 1.0}
    monkeypatch.setattr(grid, "GRID", {"n_estimators": (100,), "learning_rate": (0.1,), "max_depth": (5,)})
    (trial,) = grid.search(blind, mine, 0.5, lambda *_: None)
    alone = grid.Sheet(rows, labels, [str(k) for k in range(len(labels))], sheet.asked)
    (leaky,) = grid.search(alone, mine, 0.5, lambda *_: None)
    assert trial.mean < 0.75 and leaky.mean > 0.9


def test_equal_ones_go_to_the_smaller() -> None:
    trials = [
        grid.Trial({"n_estimators": count, "learning_rate": 0.1, "max_depth": depth}, (0.9, 0.9))
        for count in (300, 100)
        for depth in (9, 3)
    ]
    assert grid.best(trials).parameters == {"n_estimators": 100, "learning_rate": 0.1, "max_depth": 3}


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(TrainingTooFewPictures):
        grid.search(made_up(groups=6), SETTINGS, 0.1, lambda *_: None)


def test_deep_trees_are_bounded() -> None:
    leaves = [grid.settings({"learning_rate": 0.1, "max_depth": depth}, {})["num_leaves"] for depth in (3, 5, 9)]
    assert leaves == [8, 31, 31]
    assert isinstance(grid.fitted(*_tiny(), SETTINGS, 2), lightgbm.Booster)


def _tiny() -> tuple[Floats, Floats]:
    sheet = made_up()
    return sheet.rows, sheet.labels
