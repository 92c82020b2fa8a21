"""Which slices of the test part a picture belongs to, and how a network does in each.

All limits were fixed on the train part's spread or are round numbers; none was moved for a figure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any, Final

import cv2
import numpy as np

from training.cases import Case
from training.data import Floats, Picture, Pixels
from training.evaluate import Metric
from training.faces import Face

LEAST: Final = 20
"""Slices with fewer items are counted, and nothing is claimed of them."""
HOW: Final[Mapping[str, str]] = {
    "fur": "median colour of the fur in CIE Lab, as photographed: under the animal's mask where there is one, else in the "
    "middle 60 % of the head's square. Dark: L* under 35; light: over 65; between them grey (chroma under 10) or "
    "ginger to brown",
    "roll": "angle between the line through the labelled eyes and the picture's rows",
    "turn": "a stand-in for yaw: how far the nose lies from the middle between the eyes, along the line through them, "
    "in distances between the eyes. No set here has profiles: the most turned labelled face is at 0.16",
    "head in the picture": "side of the labelled head's square by the picture's shorter side",
    "eyes apart": "distance between the labelled eyes in pixels of the picture as scored",
    "picture": "shorter side of the original in pixels; scored is a copy of at most 256",
    "source": "the set, and the collection inside it",
    "subject's share": "of the picture's area, by the mask",
    "shown": "what the network was asked about",
}
"""How a picture comes into a slice, for the cards."""


def limits(value: float, edges: Sequence[float], unit: str = "", digits: int = 0) -> str:
    """The interval that a value falls into, in words."""
    if value < edges[0]:
        return f"under {edges[0]:.{digits}f}{unit}"
    for low, high in pairwise(edges):
        if value < high:
            return f"{low:.{digits}f} to {high:.{digits}f}{unit}"
    return f"{edges[-1]:.{digits}f}{unit} and over"


def fur(image: Pixels, where: Pixels | None) -> str:
    """Colour of the fur; `where` is not 0 on the animal."""
    pixels = image if where is None else image[where > 127]
    lab = cv2.cvtColor(pixels.reshape(1, -1, 3).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    light, a, b = (float(value) for value in np.median(lab, axis=0))
    if light < 35:
        return "dark"
    if light > 65:
        return "light"
    return "grey" if np.hypot(a, b) < 10 else "ginger to brown"


def head_middle(image: Pixels, face: Face) -> Pixels:
    """The middle 60 % of the head's square, cut at the picture's edge."""
    (x, y), reach = face.centre, 0.3 * face.side
    rows, columns = (slice(max(0, int(at - reach)), int(at + reach) + 1) for at in (y, x))
    return np.asarray(image[rows, columns])


def pose(points: Floats) -> dict[str, str]:
    """Slices of roll and turn from [6,2] points."""
    left, right, nose = points[0], points[1], points[5]
    line = right - left
    apart = float(np.hypot(*line))
    roll = abs(float(np.degrees(np.arctan2(line[1], line[0]))))
    turn = abs(float((nose - (left + right) / 2) @ line)) / apart**2
    return {"roll": limits(roll, (3, 6), "°"), "turn": limits(turn, (0.025, 0.05), digits=3)}


def source(picture: Picture) -> str:
    """Set, and collection if it has several."""
    inner = picture.row.get("source")
    return f"{picture.dataset}: {inner}" if inner else picture.dataset


def of_picture(picture: Picture) -> dict[str, str]:
    """Slices that every picture is in."""
    shorter = min(float(picture.row[f"orig_{side}"]) for side in ("width", "height"))
    return {"picture": limits(shorter, (320, 500), " px"), "source": source(picture)}


def of_face(face: Face, image: Pixels, mask: Pixels | None = None) -> dict[str, str]:
    """Slices of a labelled face and its picture."""
    shorter = min(image.shape[:2])
    return {
        "fur": fur(image, mask) if mask is not None else fur(head_middle(image, face), None),
        **pose(face.points),
        "head in the picture": limits(face.side / shorter, (0.5, 0.75), digits=2),
        "eyes apart": limits(face.eye_distance, (40, 60), " px"),
        **of_picture(face.picture),
    }


def per_slice(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Every figure in every slice; the whole is the pair of empty names and comes first.

    `beside` says whether a slice's interval lies wholly below or above the figure of the whole.
    """
    rows = []
    for figure in dict.fromkeys(name for case in cases for name in case.figures):
        held = [case for case in cases if figure in case.figures]
        whole = row(figure, "", "", held, None)
        rows += [whole, *(row(figure, by, name, part, whole["value"]) for by, name, part in parts(held))]
    return rows


def parts(cases: Sequence[Case]) -> Iterator[tuple[str, str, list[Case]]]:
    """(slicing, slice, its cases), in the order of `HOW` and then of the slices' names."""
    for by in HOW:
        names = sorted({case.traits[by] for case in cases if by in case.traits}, key=rank)
        if len(names) > 1:
            yield from ((by, name, [case for case in cases if case.traits.get(by) == name]) for name in names)


def rank(name: str) -> tuple[float, str]:
    """Intervals by their edges, other names by the alphabet."""
    first = name.split(" ", maxsplit=2)
    if first[0] == "under":
        return -1.0, name
    digits = "".join(character for character in first[0] if character.isdigit() or character == ".")
    return (float(digits), name) if digits.replace(".", "").isdigit() and first[0][0].isdigit() else (0.0, name)


def row(figure: str, by: str, name: str, cases: Sequence[Case], whole: float | None) -> dict[str, Any]:
    """One figure of one slice, by unit."""
    units: dict[str, list[float]] = {}
    for case in cases:
        units.setdefault(case.unit, []).append(case.figures[figure])
    about = {"figure": figure, "by": by, "slice": name, "n": len(units)}
    if len(units) < LEAST and whole is not None:
        return about | {"value": None, "low": None, "high": None, "beside": ""}
    metric = asdict(Metric.mean(figure, [float(np.mean(values)) for values in units.values()], ""))
    numbers = {key: round(metric[key], 4) for key in ("value", "low", "high")}
    beside = "" if whole is None else "below" if numbers["high"] < whole else "above" if numbers["low"] > whole else ""
    return about | numbers | {"beside": beside}
