"""Two pictures of what a model of two classes did on a part: its confusion matrix, and its ROC curve."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.imaging.lettering import font
from training.data import Floats
from training.evaluate import Metric

SIDE: Final = 360
"""Of the square that is drawn in, in pixels."""
EDGE: Final = 70
"""Around it, for words."""
INK: Final = (40, 44, 52)
LINE: Final = (185, 188, 194)
ACCENT: Final = (45, 132, 116)


def draw(
    out: Path, name: str, chances: Floats, positive: NDArray[np.bool_], area: Metric, classes: Sequence[str]
) -> None:
    """Write `NAME.confusion_matrix.png` and `NAME.roc_curve.png`; `classes` are the negative and the positive one."""
    confusion(counts(chances, positive), classes).save(out / f"{name}.confusion_matrix.png")
    roc(curve(chances, positive), area).save(out / f"{name}.roc_curve.png")


def counts(chances: Floats, positive: NDArray[np.bool_]) -> NDArray[np.int64]:
    """[truth, answer] at a half, the negative class first."""
    return np.bincount(2 * positive.astype(int) + (chances >= 0.5), minlength=4).reshape(2, 2)


def curve(chances: Floats, positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Corners (false alarms, found) of the ROC curve, from (0, 0) to (1, 1); equal chances are one step."""
    order = np.argsort(-chances, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(chances[order]) != 0, True))
    found = np.cumsum(positive[order])[ends] / max(1, positive.sum())
    alarms = np.cumsum(~positive[order])[ends] / max(1, (~positive).sum())
    return np.vstack([[0.0, 0.0], np.column_stack([alarms, found])])


def sheet(title: str, right: str, up: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty frame with words around it."""
    picture = Image.new("RGB", (SIDE + 2 * EDGE, SIDE + 2 * EDGE), (255, 255, 255))
    pen, middle = ImageDraw.Draw(picture), EDGE + SIDE / 2
    pen.text((middle, EDGE / 2), title, font=font(16), fill=INK, anchor="mm")
    pen.text((middle, SIDE + 1.65 * EDGE), right, font=font(14), fill=INK, anchor="mm")
    upright(picture, up, 14, SIDE, (6, EDGE))
    pen.rectangle((EDGE, EDGE, EDGE + SIDE, EDGE + SIDE), outline=LINE)
    return picture, pen


def upright(picture: Image.Image, words: str, size: int, length: int, corner: tuple[int, int]) -> None:
    """Words read from below, in the middle of a strip of that length whose upper left corner is given; in place."""
    strip = Image.new("RGB", (length, 22), (255, 255, 255))
    ImageDraw.Draw(strip).text((length / 2, 11), words, font=font(size), fill=INK, anchor="mm")
    picture.paste(strip.rotate(90, expand=True), corner)


def confusion(found: NDArray[np.int64], classes: Sequence[str]) -> Image.Image:
    """Four fields, each with its count and its share of the truth's class; the fuller, the darker."""
    picture, pen = sheet(f"{found.sum():,} pictures, decided at 0.5", "answer", "truth")
    half = SIDE / 2
    for truth in (0, 1):
        pen.text((EDGE + (truth + 0.5) * half, EDGE + SIDE + 18), classes[truth], font=font(13), fill=INK, anchor="mm")
        upright(picture, classes[truth], 13, SIDE // 2, (EDGE - 26, EDGE + truth * SIDE // 2))
        for answer in (0, 1):
            share = found[truth, answer] / max(1, found[truth].sum())
            left, top = EDGE + answer * half, EDGE + truth * half
            tone = tuple(round(255 + (to - 255) * share) for to in ACCENT)
            pen.rectangle((left, top, left + half, top + half), fill=tone, outline=LINE)
            words = f"{found[truth, answer]:,}\n{share:.1%}"
            ink = (255, 255, 255) if share > 0.6 else INK
            pen.text((left + half / 2, top + half / 2), words, font=font(20), fill=ink, anchor="mm", align="center")
    return picture


def roc(corners: NDArray[np.float64], area: Metric) -> Image.Image:
    """The curve over its diagonal, with the area and its interval."""
    title = f"area {area.value:.3f} ({area.low:.3f} to {area.high:.3f}), {area.n} groups"
    picture, pen = sheet(title, "normal eyes called cataract", "cataracts found")
    for tenth in (0, 5, 10):
        place = tenth / 10 * SIDE
        pen.text((EDGE + place, EDGE + SIDE + 16), f"{tenth / 10:g}", font=font(13), fill=INK, anchor="mm")
        pen.text((EDGE - 8, EDGE + SIDE - place), f"{tenth / 10:g}", font=font(13), fill=INK, anchor="rm")
    pen.line((EDGE, EDGE + SIDE, EDGE + SIDE, EDGE), fill=LINE, width=1)
    pen.line([(EDGE + x * SIDE, EDGE + (1 - y) * SIDE) for x, y in corners], fill=ACCENT, width=3, joint="curve")
    return picture
