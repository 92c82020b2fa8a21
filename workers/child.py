"""The child of a slot that serves scans.

Three threads: the main one runs Celery's messages, one beats the heart, one looks for work that nobody rang for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from celery import Celery

from db import ledger
from db.ledger import Claim
from pipeline.errors import StorageUnavailable
from pipeline.models.room import ModelRoom
from storage import open_storage
from tasks.model_versions import RegisteredModels
from tasks.registry import Registry, Runnable, pipelines
from tasks.stage_runner import StageRunner
from tasks.work import Hands
from workers.slot_child import SlotChild

log = logging.getLogger(__name__)


class Child(SlotChild):
    """A worker child at work, from its start to its end."""

    def __init__(self, app: Celery) -> None:
        super().__init__(app)
        storage = open_storage()
        room = ModelRoom.open(source=RegisteredModels(self.database, storage))
        cache_bytes = self.tasks.cache_mb * 2**20
        runner = StageRunner(self.database, storage, room, room.profile, cache_bytes, computed=self.idle)
        self.hands = Hands(
            database=self.database,
            runner=runner,
            registry=Registry(pipelines(self.tasks.extra_pipelines), room),
            bell=self.bell,
            owner=self.owner,
            queues=self.slot.kinds,
            batch_size=self.tasks.batch_size,
            lease_s=self.tasks.lease_s,
            watch=self._watch,
        )
        self._profile = room.profile

    def start(self) -> None:
        """Announce the child, then begin to look for work."""
        self.begin(profile=self._profile, stop=self.hands.stopping, current=lambda: self.hands.current)
        self.in_a_thread("poll", lambda: self.poll(self._look))

    def stop(self, grace_s: float = 20.0) -> None:
        """Finish what is being worked on if it takes no longer than ``grace_s``, and hand back what is leased."""
        self.hands.stopping.set()
        self.ended.set()
        self.hands.join(grace_s)
        try:
            with self.database.begin() as connection:
                freed = ledger.release(connection, self.owner, crashed=False)
            self.bell.ring(freed)
        except StorageUnavailable:
            log.warning("could not hand back leases; they will run out")
        self.bell.close()

    def _look(self) -> None:
        while not self.hands.stopping.is_set() and self.hands.work():
            pass

    @contextmanager
    def _watch(self, runnable: Runnable, claims: Sequence[Claim], carried: bool) -> Iterator[None]:
        """Post the deadline for the supervisor, and tell Flower of what no message named."""
        spec = runnable.spec
        self.busy(spec.name, time.monotonic() + spec.deadline_s)
        try:
            if carried:
                with self.events.task(spec.name, [claim.run_id for claim in claims]):
                    yield
            else:
                yield
        finally:
            self.idle()  # also when it was left by an error, before the stage's own work was done
