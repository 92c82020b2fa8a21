"""Holding a training run: a thread prolongs its lease, keeps its progress, and hears of a cancel within a second."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from db import training_work
from db.session import Database
from db.training_work import TrainingClaim
from pipeline.errors import StorageUnavailable

log = logging.getLogger(__name__)

BEAT_S = 1.0


class Lease:
    """A context: while it is open the run is ours, unless ``lost`` is set, and then nothing we write to it counts."""

    def __init__(self, database: Database, held: TrainingClaim, lease_s: float) -> None:
        self._database = database
        self._held = held
        self._lease_s = lease_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="lease", daemon=True)
        self.progress: Mapping[str, Any] = {}
        self.cancelled = threading.Event()
        self.lost = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def beat(self) -> None:
        """Say now how far it is. While the ledger is away nothing is known, and nothing is lost yet."""
        try:
            with self._database.begin() as connection:
                cancelled = training_work.beat(connection, self._held, self.progress, self._lease_s)
        except StorageUnavailable:
            log.warning("a training's lease is not prolonged: the ledger is away")
            return
        if cancelled is None:
            self.lost.set()
        elif cancelled:
            self.cancelled.set()

    def _beat_on(self) -> None:
        while not self._over.wait(BEAT_S) and not self.lost.is_set():
            self.beat()
