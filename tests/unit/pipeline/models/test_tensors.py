"""Pictures become inputs exactly as the manifest says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.models.input_spec import InputSpec
from pipeline.models.tensors import letterbox, place, squash, to_batch, to_input

PICTURE = np.random.default_rng(3).integers(0, 200, (37, 61, 3), np.uint8)


def spec(**fields: Any) -> InputSpec:
    return InputSpec(**{"name": "image", "size": (37, 61), **fields})


def test_mean_and_deviation_apply_after_the_scale() -> None:
    found = to_input(PICTURE, spec(scale=255, mean=(0.5, 0.25, 0.0), std=(0.5, 1.0, 2.0)))
    expected = (PICTURE.astype(np.float64) / 255 - [0.5, 0.25, 0.0]) / [0.5, 1.0, 2.0]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_brightest_value_may_be_the_scale() -> None:
    assert to_input(PICTURE, spec(scale="max")).max() == 1.0
    assert not to_input(np.zeros_like(PICTURE), spec(scale="max")).any(), "a black picture divides by nothing"


def test_layout_colour_and_bytes() -> None:
    assert np.array_equal(to_input(PICTURE, spec(layout="NCHW")), PICTURE.transpose(2, 0, 1).astype(np.float32))
    assert np.array_equal(to_input(PICTURE, spec(colour="BGR")), PICTURE[:, :, ::-1].astype(np.float32))
    raw = to_input(PICTURE, spec(dtype="uint8"))
    assert raw.dtype == np.uint8 and np.array_equal(raw, PICTURE)


def test_a_batch_holds_each_picture_by_itself() -> None:
    batch = to_batch([PICTURE, PICTURE // 2], spec(scale="max"))
    assert batch.shape == (2, 37, 61, 3)
    assert np.array_equal(batch[1], to_input(PICTURE // 2, spec(scale="max")))


def test_squashing_averages_when_it_shrinks() -> None:
    chequers = np.indices((64, 64)).sum(axis=0) % 2 * 200
    picture = np.repeat(chequers[:, :, None], 3, axis=2).astype(np.uint8)
    assert set(np.unique(squash(picture, (16, 16)))) == {100}
    assert squash(picture, (64, 64)) is picture


@pytest.mark.parametrize("size", [(100, 50), (50, 100), (64, 64), (1, 2000)])
def test_a_letterboxed_picture_lies_where_it_is_said_to_lie(size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), 250, np.uint8)
    boxed = letterbox(picture, (64, 64), 114)
    where, inner = place(picture, (64, 64))
    ys, xs = np.nonzero(boxed[:, :, 0] == 250)
    assert (ys.min(), xs.min()) == (where.y, where.x)
    assert (ys.max() + 1 - ys.min(), xs.max() + 1 - xs.min()) == inner
    assert max(inner) == 64 and (boxed == 114).any() == (size[0] != size[1])
    assert where.scale_x * size[1] == pytest.approx(inner[1]) and where.scale_y * size[0] == pytest.approx(inner[0])
