"""What a run exported becomes model versions: candidates with golden records. Nothing here promotes one."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from db.session import Database
from pipeline.errors import GoldensNotReproduced, ModelLoadError, TrainingExportRefused, VersionTaken
from pipeline.models import goldens
from pipeline.models.input_spec import ManifestError
from pipeline.models.manifest import ModelEntry, entry_of, read_manifest
from storage import Storage
from tasks.model_versions import register
from tasks.training.process import environment

log = logging.getLogger(__name__)

PACK = "trained"
PACKING_S = 600.0


def register_exports(database: Database, storage: Storage, out: Path, run_id: UUID) -> list[dict[str, Any]]:
    """Name, version and digest of each export in ``out`` that has a manifest entry, registered.

    A version is called after the entry's and the run, since the shipped network has that name and version already.
    Raises TrainingExportRefused; StorageUnavailable.
    """
    folder = out.parent / PACK
    folder.mkdir(exist_ok=True)
    _gather(out, folder)
    try:
        entries = read_manifest(folder / "manifest.toml", PACK)
        records = goldens.read(folder)
        found = [
            register(database, storage, _of_run(entry, run_id), (folder / entry.file).read_bytes(), records.get(name))
            for name, entry in entries.items()
        ]
    except (ManifestError, ModelLoadError, GoldensNotReproduced, VersionTaken) as error:
        raise TrainingExportRefused(str(error)) from error
    return [{"name": each.name, "version": each.version, "digest": each.digest} for each in found]


def _of_run(entry: ModelEntry, run_id: UUID) -> ModelEntry:
    """The entry under a version of its own; its digest stays, because a version's name changes no answer."""
    return entry_of({**entry.table, "version": f"{entry.version}+{run_id}"}, PACK)


def _gather(out: Path, folder: Path) -> None:
    try:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "tasks.training.pack_child", str(out), str(folder)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PACKING_S,
            check=False,
            env={**environment(), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise TrainingExportRefused(f"not packed within {PACKING_S:g} s") from error
    if ended.returncode != 0:
        log.warning("the exports cannot be packed: %s", ended.stderr[-2000:])
        raise TrainingExportRefused(f"packing ended with status {ended.returncode}")
