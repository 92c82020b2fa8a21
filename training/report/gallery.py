"""The pictures of a card's examples, found again in the data folder and asked about again."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2

from training.cases import Case
from training.data import Pixels
from training.entries.entry import Entry
from training.judges import judge_of
from training.place import Place

QUALITY: Final = 80


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture with its answer."""

    address: str
    """Data address of the picture."""
    kind: str
    says: str


def gallery(entry: Entry, note: Mapping[str, Any], place: Place) -> dict[str, list[Tile]]:
    """Right and wrong ones; a picture that is not in the folder, or is now judged otherwise, is left out."""
    keys, judge = note.get("examples", {}), judge_of(entry.recipe)
    if not keys or judge is None:
        return {"right": [], "wrong": []}
    wanted = {key for some in keys.values() for key in some}
    found = {case.key: case for case in judge.cases(place, entry.name, note, wanted)}
    return {name: tiles([found[key] for key in keys[name] if key in found], name) for name in keys}


def tiles(cases: Sequence[Case], name: str) -> list[Tile]:
    """The pictures of one row."""
    return [Tile(address(case.draw()), case.kind, case.says) for case in cases if case.right == (name == "right")]


def address(image: Pixels) -> str:
    """A WebP data address of RGB [H,W,3]."""
    _, written = cv2.imencode(".webp", image[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    return f"data:image/webp;base64,{base64.b64encode(written.tobytes()).decode()}"
