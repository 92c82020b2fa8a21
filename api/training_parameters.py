"""The parameters of a training, held to what they may be before anybody is asked to train."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from api.ids import UUID_TEXT
from api.problems import Refused, invalid
from pipeline.errors import PathNotAllowed
from storage.roots import check_words, resolved

PATHS = {
    "data": "folder of labelled sets",
    "teacher": "folder of public weights to learn from",
    "truth": "folder of pictures with hand-made points",
    "start": "weights of the same network to go on from",
}
MOST_SCALE, MOST_MINUTES, MOST_SEED = 1_000, 7 * 24 * 60, 2**31 - 1


def read_parameters(given: object, roots: Sequence[Path], within: str = "parameters.") -> dict[str, Any]:
    """The parameters as they are stored. Raises INVALID_FIELD, and PATH_NOT_ALLOWED for a path below no root.

    A refusal calls a parameter ``within`` and its name, as it stood in the request.
    """
    if not isinstance(given, Mapping):
        raise invalid("parameters", "must be an object, with data at least")
    if unknown := sorted(given.keys() - PATHS.keys() - _RULES.keys()):
        raise invalid(f"{within}{unknown[0]}", "is not a parameter of a training")
    if "data" not in given:
        raise invalid(f"{within}data", "is missing")
    for name, value in given.items():
        if name in PATHS:
            _check_path(within + name, value, roots)
        elif not _RULES[name][0](value):
            raise invalid(within + name, _RULES[name][1])
    if given.get("again") and given.get("train_only"):
        raise invalid(f"{within}again", "leaves nothing to do together with train_only")
    if given.get("again") and "after" not in given:
        raise invalid(f"{within}again", "needs after: the training whose weights are exported and scored again")
    return dict(given)


def _check_path(field: str, value: object, roots: Sequence[Path]) -> None:
    """Its words; and where it is on this host too, that no link leads out of the roots."""
    if not isinstance(value, str):
        raise invalid(field, "must be a path, as text")
    try:
        check_words(roots, value)
        if Path(value).exists():
            resolved(roots, value)
    except (PathNotAllowed, OSError) as error:
        reason = "must be an absolute path below a folder that SCANMILL_TRAINING_ROOTS names"
        raise Refused(PathNotAllowed(str(error)), fields={field: reason}) from error


def _is_number(value: object, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= most


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "budget": (lambda value: value in ("cpu", "gpu"), "must be cpu or gpu"),
    "scale": (lambda value: _is_number(value, MOST_SCALE), f"must be a number above 0, {MOST_SCALE} at most"),
    "minutes": (lambda value: _is_number(value, MOST_MINUTES), f"must be a number above 0, {MOST_MINUTES} at most"),
    "seed": (lambda value: type(value) is int and 0 <= value <= MOST_SEED, f"must be a number from 0 to {MOST_SEED}"),
    "again": (lambda value: isinstance(value, bool), "must be true or false"),
    "train_only": (lambda value: isinstance(value, bool), "must be true or false"),
    "after": (lambda value: isinstance(value, str) and bool(UUID_TEXT.fullmatch(value)), "must be a training's id"),
}
