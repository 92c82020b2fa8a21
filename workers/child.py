"""The prefork child of one slot: everything it holds is made here, after the fork, and nothing before.

Three threads: the main one runs Celery's messages, one beats the heart, one looks for work that nobody rang for.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from celery import Celery

from db import ledger
from db.ledger import Claim
from db.session import Database
from db.settings import DatabaseSettings
from pipeline import faults
from pipeline.errors import ScanmillError, StorageUnavailable
from pipeline.models.room import ModelRoom
from storage import open_storage
from tasks.events import CarriedEvents
from tasks.model_versions import RegisteredModels
from tasks.queue import Doorbell
from tasks.registry import Registry, Runnable, pipelines
from tasks.settings import TaskSettings
from tasks.stage_runner import StageRunner
from tasks.work import Hands
from workers import board
from workers.board import Notice
from workers.settings import SlotSettings

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
STOP_SIGNAL = signal.SIGUSR2
"""What the supervisor sends a child so that it claims nothing more."""


class Child:
    """A worker child at work, from its start to its end."""

    def __init__(self, app: Celery) -> None:
        self._tasks = TaskSettings()
        self._slot = SlotSettings()
        faults.arm(self._tasks.fault_plan, self._tasks.env)
        self.owner = uuid.uuid4()
        self._board = Path(self._slot.board)
        self._events = CarriedEvents(app, self._slot.node)
        self._database = Database(DatabaseSettings(), ask_first=False)
        storage = open_storage()
        room = ModelRoom.open(source=RegisteredModels(self._database, storage))
        self._bell = Doorbell(self._tasks.redis_url.get_secret_value(), self._tasks.batch_size)
        runner = StageRunner(
            self._database, storage, room, room.profile, self._tasks.cache_mb * 2**20, computed=self._idle
        )
        self.hands = Hands(
            database=self._database,
            runner=runner,
            registry=Registry(pipelines(self._tasks.extra_pipelines), room),
            bell=self._bell,
            owner=self.owner,
            queues=self._slot.kinds,
            batch_size=self._tasks.batch_size,
            lease_s=self._tasks.lease_s,
            watch=self._watch,
        )
        self._profile = room.profile
        self._ended = threading.Event()

    def start(self) -> None:
        """Announce the child, then begin to look for work."""
        _die_with_parent()
        signal.signal(STOP_SIGNAL, lambda *_: self.hands.stopping.set())
        self._idle()
        self._await_ledger()
        for name, target in (("heartbeat", self._beat), ("poll", self._poll)):
            threading.Thread(target=target, name=name, daemon=True).start()

    def stop(self, grace_s: float = 20.0) -> None:
        """Finish what is being worked on if it takes no longer than ``grace_s``, and hand back what is leased."""
        self.hands.stopping.set()
        self._ended.set()
        self.hands.join(grace_s)
        try:
            with self._database.begin() as connection:
                freed = ledger.release(connection, self.owner, crashed=False)
            self._bell.ring(freed)
        except StorageUnavailable:
            log.warning("could not hand back leases; they will run out")
        self._bell.close()

    def _await_ledger(self) -> None:
        while not self._ended.is_set():
            try:
                with self._database.begin() as connection:
                    ledger.register(connection, self.owner, self._slot.node, os.getpid(), self._profile)
            except StorageUnavailable:
                log.warning("the ledger is away; waiting")
                time.sleep(1)
            else:
                return

    def _beat(self) -> None:
        while not self._ended.wait(self._tasks.lease_s / 3):
            try:
                with self._database.begin() as connection:
                    ledger.heartbeat(connection, self.owner, self.hands.current, lease_s=self._tasks.lease_s)
            except StorageUnavailable:
                log.warning("no heartbeat: the ledger is away")

    def _poll(self) -> None:
        while not self._ended.wait(self._tasks.poll_s):
            try:
                while not self.hands.stopping.is_set() and self.hands.work():
                    pass
            except ScanmillError as error:
                log.warning("cannot look for work: %s", error.code)
            except Exception:
                log.exception("looking for work failed")

    def _idle(self) -> None:
        board.post(self._board, Notice(str(self.owner), os.getpid()))

    @contextmanager
    def _watch(self, runnable: Runnable, claims: Sequence[Claim], carried: bool) -> Iterator[None]:
        """Post the deadline for the supervisor, and tell Flower of what no message named."""
        spec = runnable.spec
        deadline = time.monotonic() + spec.deadline_s
        board.post(self._board, Notice(str(self.owner), os.getpid(), spec.name, deadline))
        try:
            if carried:
                with self._events.task(spec.name, [claim.run_id for claim in claims]):
                    yield
            else:
                yield
        finally:
            self._idle()  # also when it was left by an error, before the stage's own work was done


def _die_with_parent() -> None:
    """Linux: be killed when the Celery process that forked us dies, so that nobody works unwatched."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
