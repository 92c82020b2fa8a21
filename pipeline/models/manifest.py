"""The manifest of a model pack: what each file is, what it eats, what its outputs mean (no ML runtime here).

``models/<pack>/manifest.toml`` holds a list of ``[[model]]`` tables; docs/models.md has every key. Unknown keys are
refused: a misspelt threshold that nobody reads would change answers in silence.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any, Final

from pipeline.models.explanation import ROLES, Explanation
from pipeline.models.input_spec import InputSpec, ManifestError, counts, read_input

_TEXTS: Final = ("name", "version", "file", "sha256", "runtime", "licence", "source", "task")
_REQUIRED: Final = (*_TEXTS, "input", "outputs")
_OPTIONAL: Final = (
    *("labels", "groups", "thresholds", "crop_scale", "temperature"),
    *("trained_on", "trained_at", "metrics", "mock", "card", "explanation", "url", "bytes"),
)
RUNTIMES: Final = ("onnx", "tflite", "lightgbm", "opencv", "rembg")
CONVERTED: Final = (".h5", ".hdf5", ".keras", ".pb", ".pt", ".pth", ".torchscript")
"""Keras and Torch: files that may hold code, and runtimes of gigabytes. They are converted once, never served."""


@dataclass(frozen=True)
class ModelEntry:
    """One model of a pack. ``digest`` names its exact behaviour; two entries may share one file.

    ``outputs``: role → name in the file. ``labels``: role → names by index. ``groups``: label → class indices that
    count as it. ``crop_scale``: side of the crops it was trained on, in distances between the eyes. ``explanation``:
    how a classifier shows where it looked, None if it does not. ``url``: where the file is fetched, ``source`` if that is
    an address. ``bytes``: the file's size, None when the manifest does not say. ``trained_at``: the day, as text.
    """

    name: str
    version: str
    file: str
    sha256: str
    runtime: str
    licence: str
    source: str
    task: str
    input: InputSpec
    outputs: Mapping[str, str]
    labels: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, tuple[int, ...]]
    thresholds: Mapping[str, float]
    crop_scale: float | None
    temperature: float
    trained_on: tuple[str, ...]
    metrics: Mapping[str, Any]
    explanation: Explanation | None
    card: str
    mock: bool
    pack: str
    folder: Path | None
    """Where the file lies; None for an entry that is in no pack on this disk."""
    table: Mapping[str, Any] = field(repr=False, compare=False)
    """As it stood in the manifest: ``entry_of`` reads it back with the same digest."""
    url: str = ""
    bytes: int | None = None
    trained_at: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 over the file's digest and every field that changes an answer; hexadecimal."""
        telling = {
            "sha256": self.sha256,
            "runtime": self.runtime,
            "task": self.task,
            "input": {f.name: getattr(self.input, f.name) for f in fields(self.input) if counts(self.input, f.name)},
            "outputs": dict(self.outputs),
            "labels": dict(self.labels),
            "groups": dict(self.groups),
            "thresholds": dict(self.thresholds),
            "crop_scale": self.crop_scale,
            "temperature": self.temperature,
            "mock": self.mock,
            **({"explanation": asdict(self.explanation)} if self.explanation else {}),
        }
        return hashlib.sha256(json.dumps(telling, sort_keys=True).encode()).hexdigest()

    @property
    def provenance(self) -> dict[str, Any]:
        """What a result says of the model that answered."""
        told: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "digest": self.digest,
            "pack": self.pack,
            "runtime": self.runtime,
        }
        return {**told, "mock": True} if self.mock else told


def read_manifest(path: Path, pack: str) -> dict[str, ModelEntry]:
    """All entries of a manifest by name. Raises ManifestError."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ManifestError(f"{path}: {error}") from error
    if set(document) - {"model"} or not isinstance(document.get("model", []), list):
        raise ManifestError(f"{path}: only [[model]] tables may stand at the top level")
    entries: dict[str, ModelEntry] = {}
    for number, table in enumerate(document.get("model", [])):
        where = f"{path}: model {table.get('name', number)}"
        try:
            entry = _entry(table, pack, path.parent)
        except (ManifestError, TypeError, ValueError) as error:
            raise ManifestError(f"{where}: {error}") from error
        if entry.name in entries:
            raise ManifestError(f"{where}: named twice")
        entries[entry.name] = entry
    return entries


def entry_of(table: Mapping[str, Any], pack: str, folder: Path | None = None) -> ModelEntry:
    """One entry from its table, wherever that was kept. Raises ManifestError."""
    try:
        return _entry(table, pack, folder)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise ManifestError(f"{table.get('name', 'a model')}: {error}") from error


def _entry(table: Mapping[str, Any], pack: str, folder: Path | None) -> ModelEntry:
    if unknown := set(table) - {*_REQUIRED, *_OPTIONAL}:
        raise ManifestError(f"unknown keys {sorted(unknown)}")
    if missing := [key for key in _REQUIRED if key not in table]:
        raise ManifestError(f"missing keys {missing}")
    entry = ModelEntry(
        **{
            key: _text(table, key)
            for key in ("name", "version", "file", "sha256", "runtime", "licence", "source", "task")
        },
        input=read_input(table["input"]),
        outputs={role: str(name) for role, name in table["outputs"].items()},
        labels=_labels(table.get("labels", {}), table["outputs"]),
        groups={label: tuple(int(i) for i in indices) for label, indices in table.get("groups", {}).items()},
        thresholds={key: float(value) for key, value in table.get("thresholds", {}).items()},
        crop_scale=float(table["crop_scale"]) if "crop_scale" in table else None,
        temperature=float(table.get("temperature", 1.0)),
        trained_on=_sources(table.get("trained_on", ())),
        metrics=dict(table.get("metrics", {})),
        explanation=Explanation(**table["explanation"]) if "explanation" in table else None,
        card=str(table.get("card", "")),
        mock=bool(table.get("mock", False)),
        pack=pack,
        folder=folder,
        table=table,
        url=str(table.get("url", table["source"] if str(table["source"]).startswith("https://") else "")),
        bytes=table.get("bytes"),
        trained_at=str(table.get("trained_at", "")),
    )
    _check(entry)
    return entry


def _check(entry: ModelEntry) -> None:
    if not re.fullmatch(r"[0-9a-f]{64}", entry.sha256):
        raise ManifestError("sha256 is not 64 lower-case hexadecimal digits")
    _check_runtime(entry)
    if entry.bytes is not None and not (type(entry.bytes) is int and entry.bytes > 0):
        raise ManifestError(f"bytes is {entry.bytes!r}")
    if PurePosixPath(entry.file).name != entry.file or entry.file in ("", ".", ".."):
        raise ManifestError(f"file {entry.file!r} must be a plain file name beside the manifest")
    if not entry.outputs:
        raise ManifestError("outputs is empty")
    if not entry.temperature > 0:
        raise ManifestError(f"temperature is {entry.temperature}")
    if entry.crop_scale is not None and not entry.crop_scale > 0:
        raise ManifestError(f"crop_scale is {entry.crop_scale}")
    if "cam" in entry.outputs and entry.explanation is None:
        raise ManifestError("output cam needs the table explanation: of which layer is the map?")
    if entry.explanation and (role := ROLES.get(entry.explanation.method)) not in (None, *entry.outputs):
        raise ManifestError(f"explanation.method {entry.explanation.method} needs the output {role}")


def _check_runtime(entry: ModelEntry) -> None:
    if PurePosixPath(entry.file).suffix.lower() in CONVERTED or entry.runtime in ("keras", "tensorflow", "torch"):
        raise ManifestError(
            f"{entry.file} is not served as it is: `scanmill models add {entry.file}` converts it to ONNX"
        )
    if entry.runtime not in RUNTIMES:
        raise ManifestError(f"runtime {entry.runtime!r} is none of {RUNTIMES}")
    if bool(entry.input.features) != (entry.task == "tabular"):
        raise ManifestError("input.features and the task tabular belong together: numbers in, no picture")
    if entry.runtime == "lightgbm" and entry.task != "tabular":
        raise ManifestError("lightgbm serves the task tabular")
    if (entry.runtime == "opencv") != (entry.task == "cascade") or (
        entry.task == "cascade" and (entry.input.colour, entry.input.layout) != ("GREY", "NHWC")
    ):
        raise ManifestError('opencv serves the task cascade, on input.colour "GREY" and dtype "uint8"')
    if (entry.runtime == "rembg") != (entry.task == "rembg"):
        raise ManifestError("the runtime rembg serves the task rembg")


def _text(table: Mapping[str, Any], key: str) -> str:
    if not isinstance(table[key], str) or not table[key]:
        raise ManifestError(f"{key} must be a text that is not empty")
    return str(table[key])


def _labels(given: Any, outputs: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """A table by role, or one plain list for the first output."""
    by_role = given if isinstance(given, Mapping) else {next(iter(outputs), ""): given}
    labels = {role: tuple(str(name) for name in names) for role, names in by_role.items()}
    if strange := set(labels) - set(outputs):
        raise ManifestError(f"labels for {sorted(strange)}, which are no outputs")
    return labels


def _sources(given: Any) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(str(name) for name in given)
