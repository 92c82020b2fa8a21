"""The pictures of eyes looked over before anything is learned from them: refused, or told in `data.json`."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pipeline.errors import TrainingDataMissing, TrainingLabelsInvalid
from training.data import Picture
from training.eyes import CATARACT, LABELS, label_of, labelled_eyes
from training.folder import PARTS, TABLE, checked, own
from training.place import Place
from training.provenance import digest

FILE: Final = "data.json"
LEAST: Final = 1 / 3
"""A smaller share of a class in a part is told: accuracy alone then says little."""
MOST: Final = 0.1
"""A larger share of one group in a part is told: the figures hang on it."""


def examined(place: Place) -> dict[str, Any]:
    """What the data are, kept in `data.json`, too.

    Raises what `training.folder` raises: for a picture that cannot be read, a label that is missing or none of ours, a
    class with too few pictures or none in a part, and the same pixels or one group on two sides or under two labels.
    """
    folder = place.data if own(place.data) else place.data / CATARACT
    if folder != place.data and not (folder / TABLE).exists():
        raise TrainingDataMissing(f"{CATARACT}/{TABLE}")
    items = labelled_eyes(place.data)
    for item in items:
        if label_of(item) not in LABELS:
            raise TrainingLabelsInvalid(f"{item.path.name}: {item.row['label']!r} is none of {', '.join(LABELS)}")
    checked(items, label_of, LABELS, folder)
    told = report(items) | {"sha256": digest(folder)}
    (place.out / FILE).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return told


def report(items: Sequence[Picture]) -> dict[str, Any]:
    """Pictures, groups and classes of each part, and what a reader of the figures should know."""
    parts: dict[str, dict[str, int]] = {}
    warnings = []
    for part in PARTS:
        inside = [item for item in items if item.part == part]
        labels, groups = Counter(map(label_of, inside)), Counter(item.group for item in inside)
        parts[part] = {"pictures": len(inside), "groups": len(groups), **{name: labels[name] for name in LABELS}}
        rarest, (largest, size) = min(LABELS, key=lambda name: labels[name]), groups.most_common(1)[0]
        if labels[rarest] < LEAST * len(inside):
            warnings.append(f"{part}: only {labels[rarest]} of {len(inside)} are {rarest}")
        if size > MOST * len(inside) and size > 1:
            warnings.append(f"{part}: {size} of {len(inside)} are of one group, {Path(largest).name}")
    both = {item.group for item in items if label_of(item) == LABELS[0]} & {
        item.group for item in items if label_of(item) == LABELS[1]
    }
    if both:
        warnings.append(f"{len(both)} groups hold both classes")
    return {"parts": parts, "warnings": warnings}
