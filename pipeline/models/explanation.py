"""Where a classifier looked: methods, their names in results, and the arithmetic of their maps (numpy only).

A map is signed, [h,w]: positive where the picture speaks for the likeliest label, negative where against it.

- ``grad-cam``: exact Grad-CAM from the forward pass (Selvaraju et al. 2017, arXiv:1610.02391). The network gives one
  map a class [h,w,C]; a gradient-weighted map is linear in them (`training.cam`). ``form`` says of what it is the
  gradient: of the ``logit_difference`` to the runner-up, or of the ``probability`` (the seed's, S0.38), which fades
  as the softmax saturates: at a probability of 1 it is blank.
- ``eigen-cam``: the last feature map's first principal component (Muhammad and Yeasin 2020, arXiv:2008.00299). No
  gradient and no class: it shows what the network responds to, whatever it answers.
- ``occlusion``: what the logit difference loses when a patch is hidden (Zeiler and Fergus 2014, arXiv:1311.2901).
  For any network, at ``grid`` x ``grid`` more forward passes a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Tensor: TypeAlias = NDArray[Any]

Method: TypeAlias = Literal["grad-cam", "eigen-cam", "occlusion"]
Layer: TypeAlias = Literal["top_conv", "top_activation"]
Form: TypeAlias = Literal["logit_difference", "probability"]

ROLES: Final = {"grad-cam": "cam", "eigen-cam": "features"}
"""The output role that a method reads."""
FLAT: Final = 0.05
"""A map whose values differ by less than this share of the largest points nowhere."""
LEAST: Final = 1e-6
"""A map that never reaches this is blank: the gradient of a probability when the softmax is saturated."""


@dataclass(frozen=True)
class Explanation:
    """How a model's maps are made. ``layer`` and ``form`` belong to grad-cam, ``grid`` to occlusion."""

    method: Method = "grad-cam"
    layer: Layer = "top_conv"
    form: Form = "logit_difference"
    grid: int = 7

    def __post_init__(self) -> None:
        for key, kind in (("method", Method), ("layer", Layer), ("form", Form)):
            if getattr(self, key) not in get_args(kind):
                raise ValueError(f"explanation.{key} is {getattr(self, key)!r}, none of {get_args(kind)}")
        if not 2 <= self.grid <= 32:
            raise ValueError(f"explanation.grid is {self.grid}, not in 2..32")

    @property
    def text(self) -> str:
        """The method as results name it."""
        if self.method == "grad-cam":
            return f"Grad-CAM, {self.form.replace('_', ' ')} at {self.layer}, closed form"
        if self.method == "eigen-cam":
            return "Eigen-CAM, first principal component of the last feature map, for no label"
        return f"occlusion, loss of logit difference under {self.grid} x {self.grid} patches"


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
