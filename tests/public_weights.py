"""Public weights and pictures that are no part of the house: used where a folder of them is at hand, else skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom
from pipeline.models.settings import PACKS_ROOT, ModelSettings

BESIDE = PACKS_ROOT.parents[1] / "shared"
"""A folder beside the checkout is taken without being asked."""
MIRROR = os.environ.get("MODEL_MIRROR", str(BESIDE / "models") if (BESIDE / "models").is_dir() else "")
FOLDERS = os.environ.get("PICTURES", os.pathsep.join([str(BESIDE / "images" / "everyday"), str(BESIDE / "training")]))
PICTURES = [Path(folder) for folder in FOLDERS.split(os.pathsep)]
PACK = read_manifest(PACKS_ROOT / "public" / "manifest.toml", "public")


def here(name: str) -> bool:
    """Whether a model's file is at hand."""
    entry = PACK[name]
    return any((Path(folder) / entry.file).is_file() for folder in (str(entry.folder), MIRROR) if folder)


def needs_public(*names: str) -> pytest.MarkDecorator:
    """Skip where one of these models' files is missing."""
    reason = "no public weights: `scanmill models fetch`, or MODEL_MIRROR names a folder"
    return pytest.mark.skipif(not all(here(name) for name in names), reason=reason)


def public_room(*before: str) -> ModelRoom:
    """The public pack, after those named."""
    packs = [read_manifest(PACKS_ROOT / name / "manifest.toml", name) for name in before]
    return ModelRoom([*packs, PACK], ModelSettings(mirror=MIRROR or None))
