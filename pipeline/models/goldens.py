"""What a model answered when it was added, and whether it still does.

A golden record is JSON: ``digest`` (of the entry), ``labels`` (by role, in order), ``profile``, ``tolerance`` and a list
of ``pictures``, each a recipe with the outputs by role. On the profile it was recorded on, outputs must be equal to the
bit (``sha256``); elsewhere their samples must agree within ``tolerance``, relative for values beyond 1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.errors import GoldensNotReproduced, LabelsSwapped, ModelOutputInvalid, ScanmillError
from pipeline.models.golden_pictures import RecipeError, paint, recipes_for

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    from pipeline.models.base import Model
    from pipeline.models.manifest import ModelEntry

    Pixels: TypeAlias = NDArray[np.uint8]
    Outputs: TypeAlias = dict[str, NDArray[Any]]

FILE: Final = "goldens.json"
"""Stands beside a pack's manifest: golden record by model name."""

TOLERANCE: Final = 0.001
SAMPLES: Final = 48
"""Most values of an output that are written down: of a larger one evenly spaced ones, and mean, least and largest."""


def record(
    model: Model[Any], profile: str, recipes: Sequence[Mapping[str, Any]] = (), tolerance: float = TOLERANCE
) -> dict[str, Any]:
    """A golden record of what ``model`` answers now, to ``recipes`` or to those that every model of its kind gets.

    Raises RecipeError, or ModelOutputInvalid if it answers nothing.
    """
    recipes = recipes or recipes_for(model.entry.input)
    found = answers(model, [paint(recipe) for recipe in recipes])
    return {
        "digest": model.entry.digest,
        "labels": {role: list(names) for role, names in model.entry.labels.items()},
        "profile": profile,
        "tolerance": tolerance,
        "pictures": [
            {"recipe": dict(recipe), "outputs": {role: _written(array) for role, array in outputs.items()}}
            for recipe, outputs in zip(recipes, found, strict=True)
        ],
    }


def answers(model: Model[Any], pictures: Sequence[Pixels]) -> list[Outputs]:
    """The raw outputs of each picture, role → [...]. Raises ModelOutputInvalid unless every one makes an answer."""
    for answer in model.predict(pictures):
        if isinstance(answer, ScanmillError):
            raise ModelOutputInvalid(f"{model.entry.name} does not answer a golden picture: {answer}")
    together = model.forward(model.pre_process(pictures))
    return [{role: array[index] for role, array in together.items()} for index in range(len(pictures))]


def hold(model: Model[Any], goldens: Mapping[str, Any], profile: str) -> bool:
    """Hold a model to its golden record; whether it was to the bit.

    Raises GoldensNotReproduced, LabelsSwapped, or ModelOutputInvalid.
    """
    entry = model.entry
    _same_labels(entry, goldens)
    if goldens.get("digest") != entry.digest:
        raise GoldensNotReproduced(f"{entry.name}: the goldens are of version {str(goldens.get('digest'))[:12]}")
    exact = goldens.get("profile") == profile
    for number, (outputs, expected) in enumerate(_beside(model, goldens), 1):
        for role, was in expected.items():
            wrong = "is missing" if role not in outputs else _differs(outputs[role], was, goldens["tolerance"], exact)
            if wrong:
                raise GoldensNotReproduced(f"{entry.name}: picture {number}: {role} {wrong}")
    return exact


def check_record(goldens: Mapping[str, Any], entry: ModelEntry) -> None:
    """Raise GoldensNotReproduced unless this is a golden record of that entry with pictures that can be painted."""
    try:
        if goldens["digest"] != entry.digest:
            raise GoldensNotReproduced(f"{entry.name}: the goldens are of another version; record them again")
        if not goldens["pictures"] or not 0 <= float(goldens["tolerance"]) <= 0.1:
            raise GoldensNotReproduced(f"{entry.name}: goldens need pictures, and a tolerance of at most 0.1")
        for each in goldens["pictures"]:
            paint(each["recipe"])
            if not each["outputs"]:
                raise GoldensNotReproduced(f"{entry.name}: a golden picture has no outputs")
    except (KeyError, TypeError, ValueError) as error:
        raise GoldensNotReproduced(f"{entry.name}: not a golden record: {error!r}") from error


def read(folder: Path) -> dict[str, Any]:
    """The golden records of a pack by model name; none where there is no file. Raises GoldensNotReproduced."""
    try:
        return dict(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise GoldensNotReproduced(f"{folder / FILE}: {error}") from error


def write(folder: Path, records: Mapping[str, Any]) -> None:
    """Replace a pack's golden records; a picture to a line, so that a change can be read."""
    models = []
    for name, golden in sorted(records.items()):
        head = {key: value for key, value in golden.items() if key != "pictures"}
        pictures = ",\n    ".join(json.dumps(each, separators=(",", ":")) for each in golden["pictures"])
        body = json.dumps(head)[:-1] + f', "pictures": [\n    {pictures}\n  ]}}'
        models.append(f"  {json.dumps(name)}: {body}")
    (folder / FILE).write_text("{\n" + ",\n".join(models) + "\n}\n", encoding="utf-8")


def _same_labels(entry: ModelEntry, goldens: Mapping[str, Any]) -> None:
    for role, names in goldens.get("labels", {}).items():
        has = entry.labels.get(role, ())
        if list(has) != list(names) and sorted(has) == sorted(names):
            raise LabelsSwapped(f"{entry.name}: {role} are {list(has)}, but {list(names)} in the goldens")


def _beside(model: Model[Any], goldens: Mapping[str, Any]) -> Iterable[tuple[Outputs, Mapping[str, Any]]]:
    try:
        pictures = [paint(each["recipe"]) for each in goldens["pictures"]]
    except (RecipeError, KeyError, TypeError) as error:
        raise GoldensNotReproduced(f"{model.entry.name}: {error}") from error
    if not pictures:
        raise GoldensNotReproduced(f"{model.entry.name}: the goldens hold no picture")
    return zip(answers(model, pictures), (each["outputs"] for each in goldens["pictures"]), strict=True)


def _written(array: NDArray[Any]) -> dict[str, Any]:
    return {
        "shape": list(array.shape),
        "sha256": _sha256(array),
        "samples": _samples(array),
    }


def _samples(array: NDArray[Any]) -> list[float | str]:
    """Values in six digits; what is no finite number as its name, because JSON has none for it."""
    flat = np.asarray(array, np.float64).ravel()
    if len(flat) > SAMPLES:
        places = np.linspace(0, len(flat) - 1, SAMPLES - 3).round().astype(int)
        flat = np.array([*flat[places], flat.mean(), flat.min(), flat.max()])
    return [float(f"{value:.6g}") if np.isfinite(value) else str(value) for value in flat]


def _sha256(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _differs(array: NDArray[Any], was: Mapping[str, Any], tolerance: float, exact: bool) -> str | None:
    """How an output differs from the recorded one; None if it does not."""
    if list(array.shape) != was["shape"]:
        return f"has shape {list(array.shape)}, was {was['shape']}"
    if _sha256(array) == was["sha256"]:
        return None
    worst = max((_apart(now, then) for now, then in zip(_samples(array), was["samples"], strict=True)), default=0.0)
    if exact:
        return f"is not equal to the bit on the profile of its goldens; largest difference {worst:.2g}"
    return f"differs by {worst:.2g}, more than {tolerance:g}" if not worst <= tolerance + 1e-6 else None


def _apart(now: float | str, then: float | str) -> float:
    """How far apart two samples are, relative to the older one where that is beyond 1."""
    if isinstance(now, str) or isinstance(then, str):
        return 0.0 if now == then else float("inf")
    return abs(now - then) / max(1.0, abs(then))
