"""The arithmetic of heat maps: see ``explanation`` for the methods and their sources.

A map is signed, [h,w]: positive where the picture speaks for the likeliest label, negative where against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.models.explanation import Form

    Floats: TypeAlias = NDArray[np.float64]
    Tensor: TypeAlias = NDArray[Any]

FLAT: Final = 0.05
"""A map whose values differ by less than this share of the largest points nowhere."""
LEAST: Final = 1e-6
"""A map that never reaches this is blank: the gradient of a probability when the softmax is saturated."""


def gradient_map(form: Form, maps: Tensor, logits: Floats) -> Floats:
    """Grad-CAM of the likeliest class before the ReLU, [h,w].

    ``maps`` [h,w,C] holds one map a class; [h,w] stands for the second of two minus the first. ``logits`` [C] are
    those of the probabilities that are shown, so divided by the temperature; logarithms of probabilities do as well.
    """
    wide = np.asarray(maps, np.float64)
    if wide.ndim == 2:
        wide = np.stack([np.zeros_like(wide), wide], axis=2)
    top, second = first_two(logits)
    lead = wide[..., top : top + 1] - wide
    if form == "logit_difference":
        return np.asarray(lead[..., second])
    # p_c (M_c - sum_j p_j M_j) without taking large numbers from each other: what is left is as small as 1 - p_c.
    chances = np.exp(logits - logits.max())
    chances /= chances.sum()
    return np.asarray(chances[top] * (lead @ chances))


def is_flat(heat: Floats, peak: float) -> bool:
    """Whether a map says nothing of where. ``heat`` is its positive part in any unit, ``peak`` its largest absolute value."""
    return peak < LEAST or bool(np.ptp(heat) <= FLAT * heat.max())


def first_two(logits: Floats) -> tuple[int, int]:
    """Indices of the likeliest class and the runner-up. Of logits: saturated probabilities are all 0 but one."""
    order = np.argsort(-logits, kind="stable")
    return int(order[0]), int(order[1])


def eigen_map(features: Tensor) -> Floats:
    """Projection of ``features`` [h,w,K] on their first right singular vector, [h,w], its sum positive."""
    rows = np.asarray(features, np.float64).reshape(-1, features.shape[-1])
    # The Gram matrix of positions is hw x hw: small, and its first eigenvector is the projection but for its length.
    values, vectors = np.linalg.eigh(rows @ rows.T)
    first = vectors[:, -1] * np.sqrt(max(values[-1], 0.0))
    return np.asarray((first if first.sum() >= 0 else -first).reshape(features.shape[:2]))
