"""Gather exports and notes into a pack: files, `manifest.toml`, one card and one note each."""

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from training.cards import card, curve_file
from training.curve import svg
from training.entries import ENTRIES
from training.entries.entry import Entry
from training.served import sha256
from training.toml import lines, quoted

PICTURE: Final = {"layout": "NHWC", "colour": "RGB"}
SOURCE: Final = "python -m training.run {recipe} --data DATA --out OUT --teacher TEACHER --truth TRUTH"


def main() -> None:
    """`python -m training.pack --out OUT --pack models/starter`."""
    parser = argparse.ArgumentParser(prog="python -m training.pack", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="where the recipes wrote")
    parser.add_argument("--pack", type=Path, required=True, help="folder of the pack")
    given = parser.parse_args()
    gather(given.out, given.pack)


def gather(out: Path, pack: Path) -> None:
    """Copy what is there; a model that was not trained anew keeps its file and the note the pack has of it."""
    (pack / "notes").mkdir(parents=True, exist_ok=True)
    for entry in ENTRIES:
        note = out / f"{entry.name}.json"
        if note.exists() and (out / entry.file).exists():
            shutil.copyfile(note, pack / "notes" / note.name)
            for file in (entry.file, *entry.also_files):
                shutil.copyfile(out / file, pack / file)
    write(pack)


def write(pack: Path) -> None:
    """Write manifest, cards and curves again from the pack's files and notes."""
    (pack / "cards").mkdir(parents=True, exist_ok=True)
    tables = []
    for known in ENTRIES:
        note = pack / "notes" / f"{known.name}.json"
        if not (note.exists() and (pack / known.file).exists()):
            continue
        measured = json.loads(note.read_text(encoding="utf-8"))
        entry = replace(known, **measured.get("entry", {}))  # a user's own data have other terms
        tables.append(table(entry, measured, sha256(pack / entry.file)))
        (pack / "cards" / f"{entry.name}.md").write_text(card(entry, measured), encoding="utf-8")
        if curve := measured.get("reliability"):
            (pack / "cards" / curve_file(entry)).write_text(svg(curve), encoding="utf-8")
    heading = "# The starter pack: small networks of our own. Written by `python -m training.pack`; do not edit.\n"
    (pack / "manifest.toml").write_text(heading + "".join(tables), encoding="utf-8")


def table(entry: Entry, measured: dict[str, Any], digest: str) -> str:
    """One `[[model]]` table."""
    facts: dict[str, Any] = {
        "name": entry.name,
        "version": entry.version,
        "file": entry.file,
        "sha256": digest,
        "runtime": entry.runtime,
        "licence": entry.licence,
        "source": "training/recipes: " + measured["run"].get("command", SOURCE.format(recipe=entry.recipe)),
        "task": entry.task,
        "card": f"cards/{entry.name}.md",
        "mock": False,
    }
    if entry.crop_scale is not None:
        facts["crop_scale"] = entry.crop_scale
    if "temperature" in measured:
        facts["temperature"] = measured["temperature"]
    if "day" in measured["run"]:
        facts["trained_at"] = measured["run"]["day"]
    facts["trained_on"] = [f"{name}: {entry.terms[name]}" for name in entry.trained_on]
    parts = [
        "\n[[model]]\n",
        lines(facts),
        "\n[model.input]\n",
        lines(entry.input if "features" in entry.input else PICTURE | dict(entry.input)),
    ]
    parts += ["\n[model.outputs]\n", lines(entry.outputs)]
    if entry.explanation:
        parts += ["\n[model.explanation]\n", lines(entry.explanation)]
    if entry.labels:
        parts += ["\n[model.labels]\n", lines(entry.labels)]
    if entry.groups:
        parts += ["\n[model.groups]\n", lines(entry.groups)]
    if thresholds := {**entry.thresholds, **measured.get("thresholds", {})}:
        parts += ["\n[model.thresholds]\n", lines(thresholds)]
    for metric in measured["metrics"]:
        named = {key: round(metric[key], 4) for key in ("value", "low", "high")}
        parts += [
            f"\n[model.metrics.{quoted(metric['name'])}]\n",
            lines({**named, "n": metric["n"], "on": metric["on"]}),
        ]
    return "".join(parts)


if __name__ == "__main__":
    main()
