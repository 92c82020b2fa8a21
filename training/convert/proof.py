"""The proof that what is served answers what the original answered, picture by picture, and that our code can read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelRefused, ScanmillError
from pipeline.models.base import Model, probabilities
from pipeline.models.classifier import ClassAnswer
from pipeline.models.sessions import Session
from pipeline.models.subject import SubjectAnswer
from training.convert.trial import one_by_one

TOLERANCE: Final = 5e-4
"""Largest difference of an output value that is still called equal, as a share of 1 + its size."""


@dataclass(frozen=True)
class Proof:
    """What was compared. ``largest``: the greatest difference by output, in the measure of ``tolerance``.

    ``golden``: what the served network says of each picture that was given, by name.
    """

    by: str
    pictures: int
    tolerance: float
    largest: Mapping[str, float]
    golden: Mapping[str, str]

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def compare(session: Session, name: str, batch: NDArray[Any], expected: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """The greatest difference of each output over the batch [K,...]. Raises ModelRefused if one is not equal."""
    names = list(expected)
    found = one_by_one(lambda one: session.run(name, one, names).values(), batch)
    gaps = {key: gap(value, expected[key]) for key, value in zip(names, found, strict=True)}
    for key, value in gaps.items():
        if not value <= TOLERANCE:
            raise ModelRefused(
                f"the conversion answers otherwise than the original: {key} differs by {value:.2g}, "
                f"more than {TOLERANCE:g} of 1 + its size"
            )
    return gaps


def gap(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """The greatest |found - expected| / (1 + |expected|); infinite for other shapes or values that are not finite."""
    if found.shape != expected.shape or not np.isfinite(expected).all():
        return float("inf")
    return float(np.max(np.abs(found - expected) / (1 + np.abs(expected)), initial=0.0))


def output(session: Session, name: str, batch: NDArray[Any], key: str) -> NDArray[Any]:
    """An output that was made from the network's inside, [K,C]."""
    return one_by_one(lambda one: session.run(name, one, [key]).values(), batch)[0]


def check_logits(made: NDArray[Any], answered: NDArray[Any], kind: str) -> None:
    """Raise ModelRefused unless the softmax of ``made`` [K,C] is what the network's own output said."""
    said = np.concatenate([1 - answered, answered], axis=-1) if kind == "sigmoid" else answered
    ours = made if kind == "none" else probabilities(made)
    if not gap(np.asarray(ours, np.float32), said) <= TOLERANCE:
        raise ModelRefused("its logits do not lead to its probabilities")


def serve(model: Model[Any], pictures: Sequence[NDArray[Any]]) -> list[Any]:
    """The answers of our own serving code. Raises ModelRefused if it cannot read one."""
    answers = model.predict(pictures)
    for answer in answers:
        if isinstance(answer, ScanmillError):
            raise ModelRefused(f"its answer cannot be read as that of a {model.entry.task}: {answer}")
    return answers


def in_words(answer: Any) -> str:
    """One line about an answer: its most likely label, or how much it found."""
    if isinstance(answer, ClassAnswer | SubjectAnswer):
        label, chance = max(answer.probabilities.items(), key=lambda pair: pair[1])
        return f"{label} {chance:.3f}"
    if isinstance(answer, np.ndarray):
        return f"{float(answer.mean()):.3f} on average"
    return f"{len(answer)} found" if isinstance(answer, list) else type(answer).__name__
