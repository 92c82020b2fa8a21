"""``python -m tasks.training.pack_child OUT PACK``: the exports in OUT as a pack with goldens. It may die of any of them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from pipeline.models import goldens
from pipeline.models.manifest import read_manifest
from pipeline.models.room import ModelRoom


def main() -> None:
    """Manifest and cards of what has an entry and a note, then what each of these networks answers."""
    out, folder = Path(sys.argv[1]), Path(sys.argv[2])
    importlib.import_module("training.pack").gather(out, folder)
    entries = read_manifest(folder / "manifest.toml", folder.name)
    room = ModelRoom([entries])
    goldens.write(folder, {name: goldens.record(room.load(name), room.profile) for name in entries})


if __name__ == "__main__":
    main()
