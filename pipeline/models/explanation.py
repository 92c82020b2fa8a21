"""Where a classifier looked: methods, their names in results, and what a manifest may say of them (no numpy; the arithmetic is in ``maps``).

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
from typing import Final, Literal, TypeAlias, get_args

Method: TypeAlias = Literal["grad-cam", "eigen-cam", "occlusion"]
Layer: TypeAlias = Literal["top_conv", "top_activation"]
Form: TypeAlias = Literal["logit_difference", "probability"]

ROLES: Final = {"grad-cam": "cam", "eigen-cam": "features"}
"""The output role that a method reads."""


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
