"""`python -m training.shortcuts --data DATA --out OUT`: how well cataract can be guessed from what is no eye.

Each line is a small model that sees only one kind of hint in the train part, asked about the test part. What it reaches
above a half is not skill at looking at lenses. Prints a Markdown table; `OUT` holds `eye_encoder.onnx`.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
import lightgbm
import numpy as np
from numpy.typing import NDArray

from training.data import Floats, Picture, Pixels, only, pictures
from training.evaluate import Metric
from training.eyes import CATARACT, Eyes, ellipse
from training.grouped import balanced, grouped
from training.recipes import eyes as encoder
from training.recipes.cataract_fast import SETTINGS
from training.recipes.cataract_strong import logistic

RING: Final = 0.12
"""Share of each side that counts as border."""
PUPIL: Final = 0.6
"""Share of each side of the ellipse that hides pupil and iris."""


def size(picture: Picture, _image: Pixels) -> list[float]:
    """Of the original, and its ratio."""
    width, height = (float(picture.row[f"orig_{side}"]) for side in ("width", "height"))
    return [width, height, width / height, width * height]


def border(_picture: Picture, image: Pixels) -> list[float]:
    """Colours of the border, how much of it is white, black or smeared straight outwards."""
    height, width = image.shape[:2]
    y, x = max(2, int(height * RING)), max(2, int(width * RING))
    found = []
    for strip in (image[:y], image[-y:], image[:, :x].swapaxes(0, 1), image[:, -x:].swapaxes(0, 1)):
        rows = strip.astype(np.float32)
        found += [
            *rows.mean(axis=(0, 1)),
            rows.std(),
            (strip.min(axis=2) > 245).mean(),
            (strip.max(axis=2) < 12).mean(),
        ]
        found.append(np.abs(np.diff(rows, axis=0)).mean())
    return [float(value) for value in found]


def colours(_picture: Picture, image: Pixels) -> list[float]:
    """Histograms of hue, saturation and value, eight bins each."""
    wheel = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    ends = (180, 256, 256)
    counts = [np.histogram(wheel[:, :, k], 8, (0, ends[k]))[0] / wheel[:, :, 0].size for k in range(3)]
    return [float(value) for value in np.concatenate(counts)]


def sharpness(picture: Picture, image: Pixels) -> list[float]:
    """Fine and coarse detail, and the bytes that a pixel takes."""
    grey = cv2.cvtColor(cv2.resize(image, (160, 160), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    fine = [float(np.log1p(cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), s), cv2.CV_32F).var())) for s in (0.5, 1, 2, 4)]
    return [*fine, picture.path.stat().st_size / float(image.shape[0] * image.shape[1])]


HINTS: Final[dict[str, Callable[[Picture, Pixels], list[float]]]] = {
    "size of the original": size,
    "border: colour, white, black, smears": border,
    "colour histogram": colours,
    "sharpness and bytes a pixel": sharpness,
}


def guessed(hints: Floats, known: Eyes, asked_hints: Floats, asked: Eyes, name: str) -> Metric:
    """Balanced accuracy of small trees on hints [N,F]."""
    weight = np.where(known.cataract == 1, 0.5 / known.cataract.mean(), 0.5 / (1 - known.cataract.mean()))
    trees = lightgbm.train(SETTINGS | {"feature_fraction": 0.7, "seed": 7},
                           lightgbm.Dataset(hints, known.cataract, weight=weight), 100)  # fmt: skip
    return scored(np.asarray(trees.predict(asked_hints)) >= 0.5, asked, name)


def scored(said: NDArray[np.bool_], asked: Eyes, name: str) -> Metric:
    """Balanced accuracy of answers on the test part."""
    right = said == asked.cataract.astype(bool)
    return grouped(name, asked.groups, balanced(right, asked.cataract), "test part")


def study(data: Path, out: Path) -> list[Metric]:
    """All lines of the table."""
    parts = [only(pictures(data, CATARACT), part) for part in ("train", "test")]
    known, asked = (Eyes.of(items) for items in parts)
    found = []
    for name, hint in HINTS.items():
        here, there = (
            np.array([hint(item, image) for item, image in zip(items, eyes.images, strict=True)], np.float32)
            for items, eyes in zip(parts, (known, asked), strict=True)
        )
        found.append(guessed(here, known, there, asked, name))
    for name, inside in (("the encoder, pupil and iris painted grey", True), ("the encoder, all but them", False)):
        masked = [[ellipse(image, PUPIL, inside=inside) for image in one.images] for one in (known, asked)]
        here, there = (encoder.embeddings(out / encoder.FILE, images) for images in masked)
        weights, offset = logistic(here, known.cataract, 0.03)
        found.append(scored(there @ weights + offset > 0, asked, name))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m training.shortcuts", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled sets")
    parser.add_argument("--out", type=Path, required=True, help="folder with eye_encoder.onnx")
    given = parser.parse_args()
    print("| seen | balanced accuracy | 95 % interval |\n|---|---|---|")
    for one in study(given.data, given.out):
        print(f"| {one.name} | {one.value:.3f} | {one.low:.3f} to {one.high:.3f} |")


if __name__ == "__main__":
    main()
