"""Score shipped files again: `python -m training.scores --data DATA --truth TRUTH --pack models/starter [NAME ...]`.

Needs no weights, only the pack's own files, so anybody who has the sets can check what a card says of the bytes beside
it. `--check` writes nothing and fails when a figure moved.
"""

import argparse
import importlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from training.cases import examples, outcomes
from training.data import animal_masks, pictures
from training.entries import ENTRIES
from training.entries.entry import Entry
from training.judges import judge_of
from training.pack import write
from training.place import Place
from training.reliability import reliability
from training.served import sha256
from training.slices import per_slice

MOVED: Final = 0.0005
"""A figure that differs by more is named."""
COMMAND: Final = "python -m training.scores --data DATA --truth TRUTH --pack models/starter {name}"


def main() -> None:
    """Score, say what moved, keep it in notes, cards and manifest."""
    parser = argparse.ArgumentParser(prog="python -m training.scores", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of labelled sets")
    parser.add_argument("--truth", type=Path, required=True, help="folder of pictures with hand-made points")
    parser.add_argument("--pack", type=Path, required=True, help="folder of the pack")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a figure moved")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models; all without")
    given = parser.parse_args()
    place = Place(given.data, given.pack, truth=given.truth)
    moved = [line for entry in chosen(given.names) for line in again(entry, place, keep=not given.check)]
    if given.check:
        sys.exit(1 if moved else 0)
    write(given.pack)


def chosen(names: Iterable[str]) -> list[Entry]:
    """The entries by name. Raises `ValueError` for a name that is none."""
    wanted, known = set(names), {entry.name for entry in ENTRIES}
    if unknown := wanted - known:
        message = f"no such model: {', '.join(sorted(unknown))}"
        raise ValueError(message)
    return [entry for entry in ENTRIES if not wanted or entry.name in wanted]


def again(entry: Entry, place: Place, *, keep: bool) -> Iterator[str]:
    """Score one model's file; says and yields each figure that moved."""
    file = place.out / "notes" / f"{entry.name}.json"
    if not (file.exists() and (place.out / entry.file).exists()):
        return
    before = json.loads(file.read_text(encoding="utf-8"))
    after = before | scored(entry, place, before)
    lines = list(differences(before["metrics"], after["metrics"]))
    print(f"{entry.name}: {len(after['metrics'])} figures, {len(lines)} moved", flush=True)
    for line in lines:
        print(f"  {line}", flush=True)
        yield f"{entry.name}: {line}"
    if keep:
        file.write_text(folded(after), encoding="utf-8")


def folded(note: Mapping[str, Any]) -> str:
    """JSON with one figure, slice or bin to a line."""
    text = json.dumps(note, indent=1, sort_keys=True) + "\n"
    return re.sub(r"([\[{])\n\s+([^\[\]{}]*?)\n\s+([\]}])", lambda found: found[1] + flat(found[2]) + found[3], text)


def flat(text: str) -> str:
    """Lines joined by a blank; a JSON string holds no line end."""
    return re.sub(r"\n\s+", " ", text)


def scored(entry: Entry, place: Place, note: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that a note says of how good a file is."""
    recipe, judge = importlib.import_module(f"training.recipes.{entry.recipe}"), judge_of(entry.recipe)
    found: dict[str, Any] = {"sizes": sizes(entry, place)}
    if hasattr(recipe, "measured"):
        found["metrics"] = [asdict(metric) for metric in recipe.measured(place, entry.name, note)]
        found["scored"] = {
            "sha256": sha256(place.out / entry.file),
            "command": COMMAND.format(name=entry.name),
            "with": f"ONNX Runtime {version('onnxruntime')} on the CPU",
        }
    if judge is not None:
        cases = judge.cases(place, entry.name, note)
        found["slices"], found["outcomes"] = per_slice(cases), outcomes(cases)
        found["examples"], found["right"] = examples(cases), judge.RIGHT
        found["reliability"] = reliability(judge.CURVE, cases)
    return found


def sizes(entry: Entry, place: Place) -> dict[str, dict[str, int]]:
    """Pictures of each set by part, as they lie in the data folder; a set that is not there is left out."""
    found = {}
    for name in (*entry.trained_on, *entry.scored_on):
        if name == "cat_landmarks" and place.truth is not None:
            found[name] = {"train": 0, "validation": 0, "test": len(list(place.truth.glob("*.cat")))}
        elif (place.data / name / "labels.csv").exists():
            found[name] = parts(place.data, name)
    return found


def parts(data: Path, name: str) -> dict[str, int]:
    """How many pictures of a set are in each part; masks go with their pictures."""
    if name == "animal_masks_pseudo":
        return {part: len(animal_masks(data, part)) for part in ("train", "validation", "test")}
    sides = [item.part for item in pictures(data, name)]
    return {part: sides.count(part) for part in ("train", "validation", "test")}


def differences(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Figures that moved, came or went, in words."""
    old, new = ({metric["name"]: metric for metric in metrics} for metrics in (before, after))
    for name in dict.fromkeys((*old, *new)):
        if name not in old or name not in new:
            yield f"{name}: {'new' if name in new else 'gone'}"
        elif old[name]["n"] != new[name]["n"] or any(
            abs(old[name][key] - new[name][key]) > MOVED for key in ("value", "low", "high")
        ):
            yield f"{name}: {told(old[name])} before, {told(new[name])} now"


def told(metric: Mapping[str, Any]) -> str:
    """A figure with its interval and n."""
    return f"{metric['value']:.4f} [{metric['low']:.4f}, {metric['high']:.4f}] n {metric['n']}"


if __name__ == "__main__":
    main()
