"""A run's files between its folder and storage: what it goes on from, its checkpoint, what it leaves."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any
from uuid import UUID

from db import training_runs, training_work
from db.session import Database
from db.training_work import TrainingClaim
from pipeline.errors import InputCorrupt, InputMissing, TrainingDataInvalid
from storage import Storage
from storage.keys import training_key
from tasks.training.progress import is_plain

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/octet-stream"
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
        self._seen: tuple[int, int] | None = None

    def lay_out(self) -> None:
        """Put there what the run begins with: an earlier run's files, and its own checkpoint.

        A checkpoint that is gone costs the time it stood for, no more. Raises TrainingDataInvalid for files that are.
        """
        after = self._held.parameters.get("after")
        if after is not None:
            self._lay_out_files_of(UUID(after))
        if self._held.checkpoint is not None:
            try:
                self._checkpoint.write_bytes(self._get(self._held.checkpoint))
            except (InputMissing, InputCorrupt) as error:
                log.warning("training %s starts afresh, its checkpoint is gone: %s", self._held.id, error)
        self._seen = self._mark()

    def keep_checkpoint(self) -> None:
        """Store the checkpoint if it is another one than before; the one before goes unless another run needs it."""
        mark = self._mark()
        if mark is None or mark == self._seen:
            return
        self._replace(self._put(self._checkpoint.read_bytes())["sha256"])
        self._seen = mark

    def drop_checkpoint(self) -> None:
        """The run is over and nobody will go on with it."""
        self._replace(None)

    def outputs(self, names: list[str] | None) -> dict[str, dict[str, Any]]:
        """Store what the run leaves: the files that it names, or all there are. SHA-256 and size by name."""
        wanted = sorted(path.name for path in self._out.iterdir()) if names is None else names
        return {
            name: self._put((self._out / name).read_bytes())
            for name in wanted
            if is_plain(name) and not name.endswith(LEFT_OUT) and (self._out / name).is_file()
        }

    def _replace(self, sha256: str | None) -> None:
        with self._database.begin() as connection:
            unneeded = training_work.keep_checkpoint(connection, self._held, sha256)
        for each in unneeded:
            self._storage.delete(training_key(self._held.tenant_id, each))

    def _lay_out_files_of(self, run_id: UUID) -> None:
        with self._database.begin() as connection:
            earlier = training_runs.get(connection, self._held.tenant_id, run_id)
        if earlier is None or not earlier.files:
            raise TrainingDataInvalid(f"the run {run_id} left no files")
        for name, file in earlier.files.items():
            try:
                (self._out / name).write_bytes(self._get(file["sha256"]))
            except (InputMissing, InputCorrupt) as error:
                raise TrainingDataInvalid(f"{name} of the run {run_id} is gone") from error

    def _mark(self) -> tuple[int, int] | None:
        try:
            found = self._checkpoint.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size

    def _put(self, content: bytes) -> dict[str, Any]:
        sha256 = hashlib.sha256(content).hexdigest()
        self._storage.put(training_key(self._held.tenant_id, sha256), content, MEDIA_TYPE)
        return {"sha256": sha256, "size": len(content)}

    def _get(self, sha256: str) -> bytes:
        return self._storage.get(training_key(self._held.tenant_id, sha256), sha256)
