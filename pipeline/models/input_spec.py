"""What a model eats, as its manifest's ``[model.input]`` says (no ML runtime here)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

MOST_FEATURES: Final = 65_536


class ManifestError(ValueError):
    """A manifest is not what it must be; the text says where. A fault of whoever installs, never of a picture."""


@dataclass(frozen=True)
class InputSpec:
    """How a picture becomes the network's input: resize, then ``(pixel / scale - mean) / std`` per channel.

    ``size`` is (height, width). ``scale`` is a number, or "max" for the picture's own brightest value. ``letterbox``
    is the grey value beside a picture that keeps its ratio; without it the picture is squashed to the size.
    ``dtype`` "uint8" passes pixels as they are. ``batch`` fixes how many pictures every forward pass carries.

    ``features`` names the numbers of a vector, in order: the input is then [N,F], and no picture (its size is (1, F)).
    """

    name: str
    size: tuple[int, int]
    layout: str = "NHWC"
    colour: str = "RGB"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    scale: float | str = 1.0
    letterbox: int | None = None
    dtype: str = "float32"
    batch: int | None = None
    features: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        most = MOST_FEATURES if self.features else 4096
        rules = {
            "layout": self.layout in ("NHWC", "NCHW"),
            "colour": self.colour in ("RGB", "BGR") or (self.colour == "GREY" and self.dtype == "uint8"),
            "dtype": self.dtype in ("float32", "uint8"),
            "scale": self.scale == "max" or (not isinstance(self.scale, str) and self.scale > 0),
            "size": [type(side) for side in self.size] == [int, int] and 0 < min(self.size) <= max(self.size) <= most,
            "features": len(set(self.features)) == len(self.features) and all(self.features),
            "mean": len(self.mean) == 3,
            "std": len(self.std) == 3 and all(value > 0 for value in self.std),
            "letterbox": self.letterbox is None or 0 <= self.letterbox <= 255,
            "batch": self.batch is None or 1 <= self.batch <= 256,
        }
        for key, kept in rules.items():
            if not kept:
                raise ManifestError(f"input.{key} is {getattr(self, key)!r}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one item as the network gets it: (h, w, 3), (3, h, w), (h, w, 1) for grey, or (F,)."""
        if self.features:
            return (len(self.features),)
        channels = 1 if self.colour == "GREY" else 3
        return (channels, *self.size) if self.layout == "NCHW" else (*self.size, channels)


def counts(spec: InputSpec, name: str) -> bool:
    """A key that came later counts only where it is used, so no older model gets another digest."""
    return name != "features" or bool(spec.features)


def read_input(table: Mapping[str, Any]) -> InputSpec:
    """The table as a manifest has it. Raises ManifestError."""
    known = {f.name for f in fields(InputSpec)}
    if unknown := set(table) - known:
        raise ManifestError(f"unknown keys {sorted(unknown)} in input")
    tupled: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    if "features" in table:
        return _vector(tupled)
    if missing := {"name", "size"} - set(table):
        raise ManifestError(f"missing keys {sorted(missing)} in input")
    return InputSpec(**tupled)


def _vector(table: Mapping[str, Any]) -> InputSpec:
    """The input of a model over numbers: their names, or how many there are."""
    if strange := set(table) - {"name", "features", "batch"}:
        raise ManifestError(f"keys {sorted(strange)} in input, which are for pictures")
    given = table["features"]
    names = tuple(map(str, range(min(given, MOST_FEATURES + 1)))) if type(given) is int else given
    if not isinstance(names, tuple) or not names or not all(isinstance(name, str) for name in names):
        raise ManifestError("input.features must be a list of names, or their number")
    return InputSpec(
        name=str(table.get("name", "features")), size=(1, len(names)), features=names, batch=table.get("batch")
    )
