"""Puts an accepted network into a pack: a folder that SCANMILL_MODEL_PACKS can name."""

from __future__ import annotations

import hashlib
import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import InvalidField
from pipeline.models.input_spec import ManifestError
from pipeline.models.manifest import read_manifest
from training.convert.accept import Accepted
from training.toml import document


def add_to_pack(accepted: Accepted, folder: Path) -> Path:
    """Write file, card and manifest entry; returns the file's path.

    A pack has one version of a name, so a name that is there is not replaced. Raises InvalidField, or OSError.
    """
    entry = {**accepted.entry, "card": f"cards/{accepted.entry['name']}.md"}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cards").mkdir(exist_ok=True)
    manifest = folder / "manifest.toml"
    before = manifest.read_text(encoding="utf-8") + "\n" if manifest.exists() else ""
    _check(before + document([entry]), entry, folder)
    file = folder / str(entry["file"])
    _write(file, accepted.content)
    if hashlib.sha256(file.read_bytes()).hexdigest() != entry["sha256"]:
        raise OSError(f"{file} is not what was written")
    _write(folder / str(entry["card"]), card(accepted).encode())
    _write(manifest, (before + document([entry])).encode())
    return file


def _check(text: str, entry: Mapping[str, Any], folder: Path) -> None:
    names = [model.get("name") for model in tomllib.loads(text).get("model", [])]
    if names.count(entry["name"]) > 1:
        raise InvalidField(f"{folder} has a {entry['name']}; a pack holds one version of a name: take another folder")
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as draft:
        draft.write(text)
        draft.flush()
        try:
            read_manifest(Path(draft.name), folder.name)
        except ManifestError as error:
            raise InvalidField(f"{folder} cannot take {entry['name']}: {str(error).partition(': ')[2]}") from error


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def measured(metrics: Mapping[str, Any]) -> list[str]:
    """What was measured when it was trained, or that nothing is known."""
    rows = [
        f"| {name} | {one['value']:.3f} | {one['low']:.3f} to {one['high']:.3f} | {one['n']} | {one['on']} |"
        for name, one in metrics.items()
    ]
    told = ["| figure | value | 95 % interval | n | on |", "|---|---|---|---|---|", *rows]
    return ["## Measured by whoever trained it", "", *(told if rows else ["Nothing is known."]), ""]


def card(accepted: Accepted) -> str:
    """What is known of the network, for people."""
    entry, proof = accepted.entry, accepted.proof
    rows = [f"| `{name}` | {value:.2g} |" for name, value in proof.largest.items()]
    golden = [f"- `{name}`: {answer}" for name, answer in proof.golden.items()]
    trained = [f"- {text}" for text in entry["trained_on"]] or ["Not stated by whoever added it."]
    return "\n".join(
        [
            f"# {entry['name']} {entry['version']}",
            "",
            f"For the task {entry['task']}, added from outside; licence: {entry['licence']}; source: {entry['source']}.",
            "",
            "## Data and terms",
            "",
            *trained,
            "",
            *measured(entry.get("metrics", {})),
            "## Equal to the original",
            "",
            f"Compared on {proof.pictures} pictures with what {proof.by or 'the file'} answered; a difference up to",
            f"{proof.tolerance:g} of 1 + the value's size is called equal.",
            "",
            "| output | largest difference |",
            "|---|---|",
            *rows,
            *(["", "## Golden pictures", "", *golden] if golden else []),
            "",
        ]
    )
