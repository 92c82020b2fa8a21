"""The child that examines model versions: one job per line in, one verdict per line out. It may die of any of them."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from db import model_versions
from db.session import Database
from db.settings import DatabaseSettings
from pipeline import faults
from pipeline.errors import ScanmillError, StorageUnavailable, VerificationCrashed
from pipeline.models import goldens as golden_records
from pipeline.models.examine import agree, examine
from pipeline.models.room import ModelRoom
from storage import open_storage
from tasks.model_versions import RegisteredModels
from tasks.verify import Job, Verdict

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Read jobs from standard input until it ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not look like a verdict
    head = json.loads(sys.stdin.readline())
    faults.arm(head["fault_plan"], head["env"])
    bench = Bench(Database(DatabaseSettings(db_pool_size=2)) if head["ledger"] else None)
    for line in sys.stdin:
        answers.write(json.dumps(asdict(bench.verdict(Job(**json.loads(line))))) + "\n")


class Bench:
    """A model room of the child's own. Without a database it knows the packs on this disk alone."""

    def __init__(self, database: Database | None) -> None:
        self._database = database
        self._room = ModelRoom.open(source=RegisteredModels(database, open_storage()) if database else None)

    def verdict(self, job: Job) -> Verdict:
        """Whatever is raised becomes a verdict; only a crash does not."""
        try:
            return Verdict(None, self._examine(job))
        except StorageUnavailable as error:
            return Verdict(error.code, str(error), again=True)
        except ScanmillError as error:
            return Verdict(error.code, str(error) or error.public_message)
        except Exception as error:  # noqa: BLE001  a version that makes our code fail is not taken
            return Verdict(VerificationCrashed.code, f"{type(error).__name__}: {error}"[:500])

    def _examine(self, job: Job) -> str:
        faults.fp("verify.before")
        goldens = self._goldens(job)
        if job.alike is not None:
            return agree(self._room, job.name, job.digest, job.alike, goldens)
        found = examine(
            self._room,
            job.name,
            job.digest,
            goldens,
            beside=job.beside,
            relabel=job.relabel,
            needs_goldens=job.needs_goldens,
        )
        faults.fp("verify.after")
        self._room.release(job.name)
        return found.sentence

    def _goldens(self, job: Job) -> Mapping[str, Any] | None:
        """The record that came with the version: from beside its pack's manifest, or from its row."""
        entry = self._room.entry(job.name, job.digest)
        found: Mapping[str, Any] | None = golden_records.read(entry.folder).get(job.name) if entry.folder else None
        if found is None and self._database is not None:
            with self._database.begin() as connection:
                row = model_versions.find(connection, job.name, job.digest)
            found = row.goldens if row else None
        return found


if __name__ == "__main__":
    main()
