"""Paint is repeatable, visible, and stays inside 0..255."""

import numpy as np
import pytest

from training import lesions
from training.data import Pixels

KINDS = tuple(lesions.PAINTERS)
PAINTERS = sorted({painter for painters in lesions.PAINTERS.values() for painter in painters}, key=lambda p: p.__name__)


@pytest.fixture(scope="module")
def fur() -> Pixels:
    rng = np.random.default_rng(0)
    return rng.integers(60, 160, (96, 96, 3)).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_paints_the_same(fur: Pixels, kind: str) -> None:
    first, again, other = (lesions.spoil(np.random.default_rng(seed), fur, kind) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("painter", PAINTERS, ids=lambda p: p.__name__)
@pytest.mark.parametrize("seed", range(5))
def test_every_painter_changes_the_picture(fur: Pixels, painter: lesions.Painter, seed: int) -> None:
    before = fur.copy()
    painted = painter(np.random.default_rng(seed), fur)
    changed = np.abs(painted.astype(int) - fur).max(axis=2) > 8
    assert painted.shape == fur.shape
    assert painted.dtype == np.uint8
    assert 0.002 < changed.mean() < 0.9
    assert np.array_equal(before, fur), "the input is left alone"


def test_harmless_changes_are_not_lesions_but_are_seen(fur: Pixels) -> None:
    changed = [not np.array_equal(lesions.harmless(np.random.default_rng(seed), fur), fur) for seed in range(20)]
    assert sum(changed) > 15
