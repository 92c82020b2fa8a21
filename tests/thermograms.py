"""Made-up thermograms of a transformer, with a hot spot or without: what is odd in them, and where, is known.

``python -m tests.thermograms FOLDER`` writes 60 without one to ``FOLDER/normal`` and 6 with one to ``FOLDER/hot``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from pipeline.imaging.codec import encode_png

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH, HEIGHT = 320, 240
AIR, TANK, FIN, BUSHING = 0.16, 0.46, 0.38, 0.3
"""How warm things are, as a share of the palette."""
HOTTER = 0.5
"""What a hot spot adds in its middle."""


@dataclass(frozen=True)
class Thermogram:
    """uint8 RGB (240, 320, 3); ``spot`` is where the hot spot adds at least a fifth of its most: x, y, width, height."""

    pixels: NDArray[np.uint8]
    spot: tuple[float, float, float, float] | None

    @property
    def png(self) -> bytes:
        return encode_png(self.pixels)


def thermogram(number: int, *, hot: bool = False) -> Thermogram:
    """The picture of that number: the same transformer, seen from a little elsewhere under another load."""
    rng = np.random.default_rng([number, int(hot)])
    heat, spot = _transformer(rng), None
    if hot:
        x, y, sigma = rng.uniform(110, 210), rng.uniform(110, 170), rng.uniform(15, 19)
        across, down = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
        heat += HOTTER * np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * sigma**2))
        half = sigma * float(np.sqrt(2 * np.log(5)))
        spot = (x - half, y - half, 2 * half, 2 * half)
    heat = cv2.GaussianBlur(heat + rng.normal(0, 0.012, heat.shape), (0, 0), 0.8)
    level = np.round(np.clip(heat, 0, 1) * 255).astype(np.uint8)
    return Thermogram(np.ascontiguousarray(cv2.applyColorMap(level, cv2.COLORMAP_INFERNO)[:, :, ::-1]), spot)


def _transformer(rng: np.random.Generator) -> NDArray[Any]:
    """Tank, fins and three bushings, [240, 320], each 0..1."""
    heat = AIR + np.linspace(0.0, 0.06, HEIGHT)[:, None] * np.ones((1, WIDTH))
    left, top, load = rng.integers(-5, 6), rng.integers(-4, 5), rng.uniform(0.97, 1.03)
    heat[80 + top : 205 + top, 80 + left : 240 + left] = TANK * load
    heat[80 + top : 205 + top, 80 + left : 240 + left] += np.linspace(0.06, -0.04, 125)[:, None]
    for fin in range(8):
        x = 88 + left + 20 * fin
        heat[100 + top : 195 + top, x : x + 8] = FIN * load
    for bushing in range(3):
        x = 105 + left + 50 * bushing
        heat[38 + top : 80 + top, x : x + 12] = BUSHING * load
    return heat


def main() -> None:
    """Write the pictures."""
    for name, count in (("normal", 60), ("hot", 6)):
        folder = Path(sys.argv[1]) / name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            (folder / f"{number:03}.png").write_bytes(thermogram(number, hot=name == "hot").png)


if __name__ == "__main__":
    main()
