"""A pack with a memory of made-up normal thermograms, made the way that docs/thermal.md tells, by the very commands."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import PACKS_ROOT
from tests.thermograms import thermogram

FEATURES = PACKS_ROOT / "starter" / "patch_features.onnx"
NORMALS = 60


def remembered(folder: Path) -> str:
    """Pictures to a network; the command that it then says."""
    pictures = folder / "normal"
    pictures.mkdir(parents=True)
    for number in range(NORMALS):
        (pictures / f"{number:03}.png").write_bytes(thermogram(number).png)
    given = ["--pictures", pictures, "--features", FEATURES, "--to", folder / "own.onnx", "--patches", "800"]
    return run("training.remember", *map(str, given)).strip()


def made(folder: Path) -> Path:
    """The pack's folder. Takes a few seconds."""
    program, *arguments = shlex.split(remembered(folder))
    assert program == "scanmill"
    run("cli", *arguments, "--out", str(folder / "mine"))
    return folder / "mine"


def run(module: str, *arguments: str) -> str:
    """What a command of ours prints; it must end well."""
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def room(pack: Path) -> ModelRoom:
    return ModelRoom([read_manifest(pack / "manifest.toml", pack.name)])
