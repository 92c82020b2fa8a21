"""A test picture and what a network made of it: cards, slices, curves and the report are all made of these."""

import hashlib
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from training.data import Floats, Picture, Pixels
from training.place import Place

EMPTY: Final[Floats] = np.zeros(0, np.float32)
SHOWN: Final = 12
"""Right ones and wrong ones on the report's page."""


@dataclass(frozen=True, slots=True)
class Case:
    """One answer, judged by a rule that was fixed before it was looked at."""

    key: str
    """Names the picture without its file's name: 12 digits of a SHA-256, and the turn if it was asked about twice."""
    kind: str
    """What happened, in words: `cat turned away`."""
    right: bool
    figures: Mapping[str, float]
    """Figure to this answer's value; a slice shows their means."""
    traits: Mapping[str, str]
    """Slicing to the slice this picture is in; what could not be told is left out."""
    unit: str
    """What is resampled as one: the picture, or the face that several crops came from."""
    draw: Callable[[], Pixels]
    """The picture with truth and answer drawn on it."""
    says: str = ""
    chances: Floats = field(default_factory=lambda: EMPTY)
    """Stated chances [K], 0..1."""
    hits: Floats = field(default_factory=lambda: EMPTY)
    """Whether each came true [K], 0 or 1."""
    weight: float = 1.0
    """Of this case in the curve."""


class Judge(Protocol):
    """A module that asks a shipped file about its test part."""

    CURVE: str
    """What its chances are chances of; empty if it states none."""
    RIGHT: str
    """The rule by which an answer is right."""

    def cases(
        self, place: Place, name: str, note: Mapping[str, Any], wanted: Container[str] | None = None
    ) -> Sequence[Case]:
        """All cases in a fixed order, or those whose key is wanted. `place.out` holds the file."""


def key_of(picture: Picture, turn: int | None = None) -> str:
    """The same on every machine; says nothing of the picture to who has it not."""
    digits = hashlib.sha256(f"{picture.dataset}/{picture.row['file']}".encode()).hexdigest()[:12]
    return digits if turn is None else f"{digits}-{turn}"


def outcomes(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """How often each kind of answer was given, right ones first, the most frequent first."""
    counted = Counter((not case.right, case.kind) for case in cases)
    order = sorted(counted.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    return [{"kind": kind, "right": not wrong, "n": n} for (wrong, kind), n in order]


def examples(cases: Sequence[Case]) -> dict[str, list[str]]:
    """Keys of twelve right and twelve wrong ones, drawn by their digests and so chosen by nobody.

    One of a unit at most, so that a face does not stand there four times.
    """
    drawn = sorted(cases, key=lambda case: hashlib.sha256(case.key.encode()).digest())
    found: dict[str, list[str]] = {}
    for name, right in (("right", True), ("wrong", False)):
        one_each: dict[str, str] = {}
        for case in drawn:
            if case.right == right:
                one_each.setdefault(case.unit, case.key)
        found[name] = list(one_each.values())[:SHOWN]
    return found
