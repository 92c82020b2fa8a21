"""May this version take the current one's place? Both are loaded; what could change meaning in silence is refused.

Nothing here protects the process: a native crash ends it. Run it in a child (``tasks.verify_child``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.errors import FamilyChanged, GoldensMissing, LabelsChanged, LabelsSwapped, RuntimesDisagree, ScanmillError
from pipeline.models import golden_pictures
from pipeline.models import goldens as golden_records
from pipeline.models.base import probabilities

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray

    from pipeline.models.base import Model
    from pipeline.models.manifest import ModelEntry
    from pipeline.models.room import ModelRoom

    Rows: TypeAlias = dict[str, NDArray[Any]]

ENOUGH: Final = 2
"""Pictures on which the current version names a label before what the new one says of it counts as evidence."""

MOSTLY: Final = 0.9
"""Share of those pictures that must agree on the other label."""

SURE: Final = 0.9
"""Probability from which a version is sure of a label."""


@dataclass(frozen=True)
class Found:
    """What an examination that ended well found. ``exact``: the goldens were reproduced to the bit; None: there are none."""

    pictures: int
    exact: bool | None
    compared_with: str | None

    @property
    def sentence(self) -> str:
        """For people."""
        beside = f"; beside {self.compared_with[:12]}" if self.compared_with else ""
        if self.exact is None:
            return f"loaded; no golden pictures{beside}"
        return f"{self.pictures} golden pictures {'to the bit' if self.exact else 'within tolerance'}{beside}"


def examine(
    room: ModelRoom,
    name: str,
    digest: str,
    goldens: Mapping[str, Any] | None,
    *,
    beside: str | None = None,
    relabel: bool = False,
    needs_goldens: bool = True,
) -> Found:
    """Load a version from verified bytes, hold it to its goldens, and compare it with the version ``beside`` it.

    ``relabel`` says that another meaning of labels and outputs is meant. Raises one of ``errors.versions``, ModelLoadError,
    ModelUnavailable, ModelOutputInvalid, or StorageUnavailable.
    """
    model = room.load(name, digest)
    exact = None
    if goldens is not None:
        golden_records.check_record(goldens, model.entry)
        exact = golden_records.hold(model, goldens, room.profile)
    elif needs_goldens:
        raise GoldensMissing(f"{name} {model.entry.version} has no golden pictures; record some and register it again")
    if beside is not None and beside != digest:
        _compare(room, model, beside, [each["recipe"] for each in (goldens or {}).get("pictures", ())], relabel)
    return Found(len((goldens or {}).get("pictures", ())), exact, beside)


def _compare(
    room: ModelRoom, model: Model[Any], beside: str, recipes: Sequence[Mapping[str, Any]], relabel: bool
) -> None:
    new, old = model.entry, room.entry(model.entry.name, beside)
    _same_family(new, old)
    if relabel:
        return
    _same_labels(new, old)
    pictures = [golden_pictures.paint(recipe) for recipe in recipes]
    try:
        before = room.load(old.name, beside)
        was = golden_records.answers(before, pictures)
    except ScanmillError as error:
        raise LabelsChanged(f"{new.name}: the current version cannot be compared with: {error}") from error
    now = golden_records.answers(model, pictures)
    seen = [(_labelled(old, one), _labelled(new, other)) for one, other in zip(was, now, strict=True)]
    for role in set(seen[0][0]) & set(seen[0][1]) if seen else ():
        moved = swapped([one[role] for one, _ in seen], [other[role] for _, other in seen])
        if moved:
            told = ", ".join(f"{one} → {other}" for one, other in sorted(moved.items()))
            raise LabelsSwapped(f"{new.name}: {role} of the golden pictures: {told}")


def _same_family(new: ModelEntry, old: ModelEntry) -> None:
    if new.task != old.task:
        raise FamilyChanged(f"{new.name}: task {new.task}, was {old.task}")
    if new.crop_scale != old.crop_scale:
        raise FamilyChanged(f"{new.name}: trained on crops of scale {new.crop_scale}, but gets {old.crop_scale}")
    if missing := set(old.thresholds) - set(new.thresholds):
        raise FamilyChanged(f"{new.name}: no thresholds {sorted(missing)}")


def _same_labels(new: ModelEntry, old: ModelEntry) -> None:
    """The same outputs and labels; and not one file whose classes were only named anew."""
    if missing := set(old.outputs) - set(new.outputs):
        raise LabelsChanged(f"{new.name}: no outputs {sorted(missing)}")
    for role, names in old.labels.items():
        has = new.labels.get(role, ())
        if sorted(has) != sorted(names):
            raise LabelsChanged(f"{new.name}: {role} are {list(has)}, were {list(names)}")
        same_network = (new.sha256, new.outputs.get(role)) == (old.sha256, old.outputs.get(role))
        if has != names and same_network:
            raise LabelsSwapped(f"{new.name}: the same network, but {role} are {list(has)}, were {list(names)}")
    if set(new.groups) != set(old.groups):
        raise LabelsChanged(f"{new.name}: groups {sorted(new.groups)}, were {sorted(old.groups)}")


def _labelled(entry: ModelEntry, outputs: Mapping[str, NDArray[Any]]) -> dict[str, Rows]:
    """By role, what an output says of each label: probabilities, or the place of a named point."""
    found: dict[str, Rows] = {}
    for role, names in entry.labels.items():
        array = outputs.get(role)
        if array is None or len(names) < 2 or array.shape[:1] != (len(names),):
            continue
        if role == "logits":
            array = probabilities(array, entry.temperature)
        found[role] = {name: np.asarray(values, float).ravel() for name, values in zip(names, array, strict=True)}
    return found


def swapped(old: Sequence[Rows], new: Sequence[Rows]) -> dict[str, str]:
    """Which label took which other's place, per picture and label ``old`` and ``new``; empty if none did.

    Evidence is needed from both sides: where the old version says A the new one says B, and where the old says B the
    new says A (or C, round a circle). A version that is only more or less strict than the old one is not accused,
    unless of two labels it is as sure of the one as the old version was of the other.
    """
    names = sorted(old[0])
    points = old[0][names[0]].size > 1
    became = _nearest(names, old, new) if points else _renamed(names, old, new)
    if not points and len(names) == 2:
        became |= _reversed(names, old, new)
    moved = {one: other for one, other in became.items() if one != other}
    return moved if len(moved) > 1 and set(moved) == set(moved.values()) else {}


def _renamed(names: Sequence[str], old: Sequence[Rows], new: Sequence[Rows]) -> dict[str, str]:
    """What the new version mostly says where the old one says each label."""
    tops = [(max(names, key=one.__getitem__), max(names, key=other.__getitem__)) for one, other in _pairs(old, new)]
    became: dict[str, str] = {}
    for name in names:
        said = [other for one, other in tops if one == name]
        mostly = max(sorted(set(said)), key=said.count, default=name)
        if len(said) >= ENOUGH and said.count(mostly) >= MOSTLY * len(said):
            became[name] = mostly
    return became


def _reversed(names: Sequence[str], old: Sequence[Rows], new: Sequence[Rows]) -> dict[str, str]:
    """Both labels' exchange, when each version is sure on every picture, and never of the same."""
    one, other = names
    for was, now in ((one, other), (other, one)):
        surest = min(min(float(a[was][0]), float(b[now][0])) for a, b in zip(old, new, strict=True))
        if len(old) >= ENOUGH and surest >= SURE:
            return {one: other, other: one}
    return {}


def _nearest(names: Sequence[str], old: Sequence[Rows], new: Sequence[Rows]) -> dict[str, str]:
    """The new version's point that lies where the old version's was: nearer by half than its namesake."""
    became: dict[str, str] = {}
    for name in names:
        away = {
            other: float(np.mean([np.abs(one[name] - now[other]).sum() for one, now in zip(old, new, strict=True)]))
            for other in names
        }
        nearest = min(names, key=away.__getitem__)
        became[name] = nearest if away[nearest] < away[name] / 2 else name
    return became


def _pairs(old: Sequence[Rows], new: Sequence[Rows]) -> list[tuple[dict[str, float], dict[str, float]]]:
    return [
        ({name: float(value[0]) for name, value in one.items()}, {name: float(value[0]) for name, value in two.items()})
        for one, two in zip(old, new, strict=True)
    ]


def agree(room: ModelRoom, name: str, digest: str, other: str, goldens: Mapping[str, Any] | None) -> str:
    """Hold two versions that are one network in two runtimes to equal answers, within the goldens' tolerance.

    Raises RuntimesDisagree, ModelLoadError, ModelUnavailable or ModelOutputInvalid.
    """
    one, two = room.load(name, digest), room.load(name, other)
    recipes = (
        [each["recipe"] for each in goldens["pictures"]] if goldens else golden_pictures.recipes_for(one.entry.input)
    )
    tolerance = float(goldens["tolerance"]) if goldens else golden_records.TOLERANCE
    pictures = [golden_pictures.paint(recipe) for recipe in recipes]
    worst = 0.0
    for here, there in zip(golden_records.answers(one, pictures), golden_records.answers(two, pictures), strict=True):
        for role in set(here) | set(there):
            if role not in here or role not in there or here[role].shape != there[role].shape:
                raise RuntimesDisagree(f"{name}: {role} is not the same output in both")
            scale = np.maximum(1.0, np.abs(there[role]))
            worst = max(worst, float(np.max(np.abs(here[role] - there[role]) / scale, initial=0.0)))
    pair = f"{one.entry.runtime} and {two.entry.runtime}"
    if not worst <= tolerance:
        raise RuntimesDisagree(f"{name}: {pair} differ by {worst:.2g}, more than {tolerance:g}")
    return f"{pair} differ by {worst:.2g} at most"
