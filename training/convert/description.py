"""What the owner of a network says of it: all that its file cannot say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from pipeline.errors import InvalidField
from pipeline.models.explanation import Layer

Explain = Literal["auto", "none", "grad-cam", "eigen-cam", "occlusion"]
ROLES_WITH_LABELS: Final = {
    "classifier": ("logits", "probabilities"),
    "subject": ("subject",),
    "detector": ("scores",),
    "landmarks": ("points",),
    "tabular": ("probabilities",),
}
"""By task, the outputs of which one has the labels."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,31}")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Description:
    """A network's name, task, terms, and how a picture becomes its input.

    ``labels``: names by index of the output that has them (`ROLES_WITH_LABELS`). ``groups``: label → indices of the
    classes that count as it, for general networks. ``size``: (height, width) where the
    file leaves it open. ``outputs``: role → name in the file, where the file's names are others or several fit.
    ``scale``, ``mean``, ``std``, ``colour``, ``letterbox``: see `pipeline.models.manifest.InputSpec`; the defaults fit
    a network that takes pixels 0..255 and normalises them itself. ``explain``: how a classifier shows where it looked,
    "auto" being Grad-CAM where the network's end allows it; ``layer``: of which layer, None the first that is possible.
    Raises InvalidField.
    """

    name: str
    version: str
    task: str
    licence: str
    source: str
    labels: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    colour: str = "RGB"
    scale: float | str = 1.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    letterbox: int | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    crop_scale: float | None = None
    trained_on: tuple[str, ...] = ()
    trained_at: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    explain: Explain = "auto"
    layer: Layer | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidField(f"name {self.name!r}: lower-case letters, digits and _, at most 64, a letter first")
        if not _VERSION.fullmatch(self.version):
            raise InvalidField(f"version {self.version!r}: letters, digits and .+-, at most 32")
        for key in ("licence", "source"):
            if not getattr(self, key):
                raise InvalidField(f"{key} is empty")
        if self.explain not in get_args(Explain) or self.layer not in (None, *get_args(Layer)):
            raise InvalidField(f"explain {self.explain!r} at {self.layer!r}: {get_args(Explain)} at {get_args(Layer)}")
        if "cam" in self.outputs and self.layer is None:
            raise InvalidField("layer: of which layer is the output that is called cam?")
        if self.trained_at and not _DAY.fullmatch(self.trained_at):
            raise InvalidField(f"trained-at {self.trained_at!r}: a day, as 2026-01-31")
        if len(set(self.labels)) != len(self.labels) or not all(self.labels):
            raise InvalidField("labels: one is empty or stands there twice")
        texts = (self.licence, self.source, self.colour, *self.labels, *self.trained_on, *self.outputs.values())
        if any(ord(letter) < 32 or ord(letter) == 127 for text in texts for letter in text):
            raise InvalidField("a control character stands in a text")

    @property
    def input(self) -> dict[str, Any]:
        """The known part of the manifest's ``[model.input]``."""
        known = {"colour": self.colour, "scale": self.scale, "mean": list(self.mean), "std": list(self.std)}
        known |= {} if self.size is None else {"size": list(self.size)}
        return known | ({} if self.letterbox is None else {"letterbox": self.letterbox})
