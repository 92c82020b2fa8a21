"""A run's files between its folder and storage: what it goes on from, its checkpoint, what it leaves."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from db import training_runs, training_work
from db.session import Database
from db.training_work import TrainingClaim
from pipeline.errors import InputCorrupt, InputMissing, TrainingDataInvalid
from storage import Storage
from storage.keys import training_key

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/octet-stream"
Mark: TypeAlias = tuple[int, int, int]
LEFT_OUT = (".checkpoint", ".partial")
"""Ends of names that are of use to the run alone."""


class Keeper:
    """The files of one attempt. Every method raises StorageUnavailable."""

    def __init__(self, database: Database, storage: Storage, held: TrainingClaim, out: Path) -> None:
        self._database = database
        self._storage = storage
        self._held = held
        self._out = out
        self._checkpoint = out / f"{held.recipe}.checkpoint"
        self._seen: Mark | None = None
        self._stored: dict[str, tuple[Mark, dict[str, Any]]] = {}

    def lay_out(self) -> None:
        """Put there what the attempt begins with: an earlier run's files, its own so far, and its checkpoint.

        A checkpoint that is gone costs the time it stood for, no more. Raises TrainingDataInvalid for files that are.
        """
        after = self._held.parameters.get("after")
        if after is not None:
            self._write(self._files_of(UUID(after)))
        if self._held.checkpoint is None:
            return
        try:
            content = self._get(self._held.checkpoint)
        except (InputMissing, InputCorrupt) as error:
            log.warning("training %s starts afresh, its checkpoint is gone: %s", self._held.id, error)
            return
        self._write(self._held.files)
        self._checkpoint.write_bytes(content)
        self._seen = _mark(self._checkpoint)

    def keep_checkpoint(self) -> None:
        """Store the checkpoint if it is another one than before, and what else the run has made by then.

        A run may have weights and still have to export them: its checkpoint alone would not do. The checkpoint is read
        first, because what it stands for is written before it.
        """
        mark = _mark(self._checkpoint)
        if mark is None or mark == self._seen:
            return
        sha256 = self._put(self._checkpoint.read_bytes())["sha256"]
        self._replace(sha256, self.files())
        self._seen = mark

    def drop_checkpoint(self) -> None:
        """Nobody will go on from it."""
        self._replace(None, self.files())

    def files(self) -> dict[str, dict[str, Any]]:
        """Store what the run has made and is of use to others; SHA-256 and size by name. What was not changed is not read."""
        found = {}
        for path in sorted(self._out.iterdir()):
            mark = _mark(path)
            if mark is None or not path.is_file() or path.name.endswith(LEFT_OUT):
                continue
            known = self._stored.get(path.name)
            if known is None or known[0] != mark:
                known = self._stored[path.name] = mark, self._put(path.read_bytes())
            found[path.name] = known[1]
        return found

    def _replace(self, sha256: str | None, files: Mapping[str, Any]) -> None:
        with self._database.begin() as connection:
            unneeded = training_work.keep_checkpoint(connection, self._held, sha256, files)
        for each in unneeded:
            self._storage.delete(training_key(self._held.tenant_id, each))

    def _files_of(self, run_id: UUID) -> Mapping[str, Any]:
        with self._database.begin() as connection:
            earlier = training_runs.get(connection, self._held.tenant_id, run_id)
        if earlier is None or not earlier.files:
            raise TrainingDataInvalid(f"the run {run_id} left no files")
        return earlier.files

    def _write(self, files: Mapping[str, Any]) -> None:
        for name, file in files.items():
            try:
                content = self._get(file["sha256"])
            except (InputMissing, InputCorrupt) as error:
                raise TrainingDataInvalid(f"{name} of an earlier run is gone") from error
            (self._out / name).write_bytes(content)
            mark = _mark(self._out / name)
            assert mark is not None
            self._stored[name] = mark, file

    def _put(self, content: bytes) -> dict[str, Any]:
        sha256 = hashlib.sha256(content).hexdigest()
        self._storage.put(training_key(self._held.tenant_id, sha256), content, MEDIA_TYPE)
        return {"sha256": sha256, "size": len(content)}

    def _get(self, sha256: str) -> bytes:
        return self._storage.get(training_key(self._held.tenant_id, sha256), sha256)


def _mark(file: Path) -> Mark | None:
    """What changes when a file is written anew; None when there is none."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
