"""What is counted of a report, to see later whether pictures, answers or agreement have changed. Stdlib only.

Numbers go into bins of a fixed width, so that days can be added up. A bin is named by its lower edge.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from pipeline.compare import distance

Json: TypeAlias = Mapping[str, Any]


class Kind(StrEnum):
    """What has changed: the pictures, what is said of them, or whether two models say the same."""

    INPUT = "input"
    PREDICTION = "prediction"
    DISAGREEMENT = "disagreement"


class Form(StrEnum):
    """A number in bins of one width, one in half octaves, a word, or yes and no."""

    NUMBER = "number"
    OCTAVE = "octave"
    LABEL = "label"
    SHARE = "share"


@dataclass(frozen=True, slots=True)
class Measure:
    """``width`` of a bin, of a number only."""

    kind: Kind
    form: Form
    width: float = 0.05


MEASURES: Final = {
    "brightness": Measure(Kind.INPUT, Form.NUMBER),
    "contrast": Measure(Kind.INPUT, Form.NUMBER, 0.025),
    "sharpness": Measure(Kind.INPUT, Form.OCTAVE),
    "saturation": Measure(Kind.INPUT, Form.NUMBER),
    "clipped": Measure(Kind.INPUT, Form.NUMBER),
    "megapixels": Measure(Kind.INPUT, Form.OCTAVE),
    "aspect": Measure(Kind.INPUT, Form.OCTAVE),
    "format": Measure(Kind.INPUT, Form.LABEL),
    "subject": Measure(Kind.INPUT, Form.NUMBER),
    "pupil": Measure(Kind.INPUT, Form.NUMBER),
    "outcome": Measure(Kind.PREDICTION, Form.LABEL),
    "label": Measure(Kind.PREDICTION, Form.LABEL),
    "confidence": Measure(Kind.PREDICTION, Form.NUMBER),
    "both_asked": Measure(Kind.PREDICTION, Form.SHARE),
    "disagreement": Measure(Kind.DISAGREEMENT, Form.SHARE),
    "gap": Measure(Kind.DISAGREEMENT, Form.NUMBER),
}
"""``label`` and ``confidence`` are counted by region, as ``label:mouth``."""

LONE_WEIGHT: Final = 0.1
"""What a scan that only one model answered weighs in the list for review, beside one on which two disagree wholly."""


def measure_of(name: str) -> Measure:
    """What a counted name is: ``label:mouth`` is a ``label``."""
    return MEASURES[name.partition(":")[0]]


def counted(status: str, code: str | None, report: Json | None) -> dict[str, str]:
    """Measure → bin of one scan that ended; a measure that the report lacks is left out."""
    found = report or {}
    told = {**_numbers(found), **_words(found)}
    told["outcome"] = code or status
    return {name: _bin(name, value) for name, value in told.items() if value is not None}


def _numbers(report: Json) -> dict[str, float | None]:
    image, picture = report.get("image") or {}, report.get("picture") or {}
    width, height = image.get("original_width"), image.get("original_height")
    said = _answers(report)
    return {
        **{name: picture.get(name) for name in ("brightness", "contrast", "sharpness", "saturation", "clipped")},
        "megapixels": width * height / 1e6 if width and height else None,
        "aspect": width / height if width and height else None,
        "subject": (report.get("subject") or {}).get("probability"),
        "pupil": (report.get("pupil") or {}).get("quality"),
        **{f"confidence:{region}": found.get("confidence") for region, found in _findings(report)},
        "gap": distance(*said) if len(said) == 2 else None,
    }


def _words(report: Json) -> dict[str, str | None]:
    answers = (report.get("decision") or {}).get("answers")
    return {
        "format": (report.get("image") or {}).get("format"),
        **{f"label:{region}": found.get("label") for region, found in _findings(report)},
        "both_asked": None if answers is None else _yes(len(_answers(report)) == 2),
        "disagreement": _yes((report.get("agreement") or {}).get("disagreement")),
    }


def _findings(report: Json) -> Iterator[tuple[str, Json]]:
    yield from (report.get("findings") or {}).items()


def _answers(report: Json) -> list[Mapping[str, float]]:
    """The probabilities of each model that was asked about the whole picture and answered."""
    answers = (report.get("decision") or {}).get("answers") or {}
    return [said for said in answers.values() if "code" not in said]


def _yes(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"


def _bin(name: str, value: float | str) -> str:
    measure = measure_of(name)
    if isinstance(value, str):
        return value
    if measure.form is Form.OCTAVE:
        return f"{2 ** (math.floor(2 * math.log2(max(value, 2**-12))) / 2):.6g}"
    return f"{math.floor(value / measure.width + 1e-9) * measure.width:.6g}"


def middle(measure: Measure, edge: str) -> float:
    """The middle of a bin: what its numbers are taken for when they are told."""
    return float(edge) * 2**0.25 if measure.form is Form.OCTAVE else float(edge) + measure.width / 2


def axis(name: str, counts: Iterable[str]) -> list[str]:
    """Bins in order from the least to the greatest of a measure, those in between too; words as they sort."""
    measure, found = measure_of(name), sorted(set(counts))
    if measure.form in (Form.LABEL, Form.SHARE) or not found:
        return found
    last, bins = max(map(float, found)), [min(found, key=float)]
    while (edge := float(bins[-1])) < last:
        bins.append(_bin(name, edge * 2**0.75 if measure.form is Form.OCTAVE else edge + 1.5 * measure.width))
    return bins


@dataclass(frozen=True, slots=True)
class Doubt:
    """How much a look by a person would tell: ``score`` is what a list for review is ordered by, 0..1."""

    uncertainty: float
    disagreement: float

    @property
    def score(self) -> float:
        return self.uncertainty * (LONE_WEIGHT + (1 - LONE_WEIGHT) * self.disagreement)


def doubt(report: Json | None) -> Doubt | None:
    """Uncertainty and disagreement, 0..1; None of a scan that no model answered.

    Uncertainty is 1 less the lead of the likeliest label over the next, in the mean of all that answered, so that two models which
    are sure of different things are not taken for sure; of several regions, the greatest. Disagreement is the total
    variation distance of two models' answers, 0 where only one answered.
    """
    said = _answers(report or {})
    if said:
        mean = {label: sum(each[label] for each in said) / len(said) for label in said[0]}
        return Doubt(1 - _lead(mean), distance(*said) if len(said) == 2 else 0.0)
    chances = [found["probabilities"] for _, found in _findings(report or {}) if found.get("probabilities")]
    return Doubt(1 - min(map(_lead, chances)), 0.0) if chances else None


def _lead(chances: Mapping[str, float]) -> float:
    first, second = sorted([*chances.values(), 0.0], reverse=True)[:2]
    return min(1.0, max(0.0, first - second))
