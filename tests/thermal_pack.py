"""A pack with a memory of made-up normal thermograms, taken in by the command that a training prints."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import PACKS_ROOT
from tests.thermograms import thermogram
from training.remember import ADD, remember

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEATURES = PACKS_ROOT / "starter" / "patch_features.onnx"
NORMALS = 60
ENTRY = {
    "trained_on": ["own pictures"],
    "terms": {"own pictures": "48 normal pictures of normal; limits by 12 others of it"},
}


Change = Callable[["NDArray[np.uint8]"], "NDArray[np.uint8]"]


def made(folder: Path, types: Mapping[str, Change] | None = None) -> Path:
    """The pack's folder, with a memory for each of the types, too: of the same pictures, changed. Takes a few seconds."""
    for name, change in {"": _same, **(types or {})}.items():
        out = folder / f"out{name}"
        out.mkdir(parents=True)
        pictures = [change(thermogram(number).pixels) for number in range(NORMALS)]
        held = [index for index in range(NORMALS) if index % 5 == 4]
        own = [pictures[index] for index in range(NORMALS) if index not in held]
        fit = remember(own, [pictures[index] for index in held], FEATURES, out / "thermal_patchcore.onnx", 800, 7)
        note = {"metrics": [], "thresholds": fit.thresholds, "run": {"day": "2026-11-27"}, "entry": ENTRY}
        (out / "thermal_patchcore.json").write_text(json.dumps(note), encoding="utf-8")
        program, *arguments = shlex.split(ADD.format(out=out))
        assert program == "scanmill"
        named = [f"{word}_{name}" if name and word == "thermal_patchcore" else word for word in arguments]
        run("cli", *named, "--out", str(folder / "mine"))
    return folder / "mine"


def _same(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels


def run(module: str, *arguments: str) -> str:
    """What a command of ours prints; it must end well."""
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def room(pack: Path) -> ModelRoom:
    return ModelRoom([read_manifest(pack / "manifest.toml", pack.name)])
