"""What every child of a slot is, whatever it works on: an owner of leases, a notice on the board, a heartbeat, a poll."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from celery import Celery

from db import ledger
from db.session import Database
from db.settings import DatabaseSettings
from pipeline import faults
from pipeline.errors import ScanmillError, StorageUnavailable
from tasks.events import CarriedEvents
from tasks.queue import Doorbell
from tasks.settings import TaskSettings
from workers import board
from workers.board import Notice
from workers.settings import SlotSettings

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
STOP_SIGNAL = signal.SIGUSR2
"""What the supervisor sends a child so that it claims nothing more."""


class SlotChild:
    """The prefork child of a slot: everything it holds is made here, after the fork, and nothing before."""

    def __init__(self, app: Celery) -> None:
        self.tasks = TaskSettings()
        self.slot = SlotSettings()
        faults.arm(self.tasks.fault_plan, self.tasks.env)
        self.owner: UUID = uuid.uuid4()
        self.events = CarriedEvents(app, self.slot.node)
        self.database = Database(DatabaseSettings(), ask_first=False)
        self.bell = Doorbell(self.tasks.redis_url.get_secret_value(), self.tasks.batch_size)
        self.ended = threading.Event()
        self._board = Path(self.slot.board)

    def begin(self, *, profile: str, stop: threading.Event, current: Callable[[], Sequence[int]]) -> None:
        """Announce the child under its profile and keep saying that it lives; ``stop`` is set when it is to stop."""
        die_with_parent()
        signal.signal(STOP_SIGNAL, lambda *_: stop.set())
        self.idle()
        self._await_ledger(profile)
        self.in_a_thread("heartbeat", lambda: self._beat(current))

    def in_a_thread(self, name: str, target: Callable[[], None]) -> None:
        threading.Thread(target=target, name=name, daemon=True).start()

    def idle(self) -> None:
        """Post who the child is, and that it works on nothing."""
        board.post(self._board, Notice(str(self.owner), os.getpid()))

    def busy(self, work: str, deadline: float | None) -> None:
        """Post what it works on, and until when (monotonic seconds) that may take."""
        board.post(self._board, Notice(str(self.owner), os.getpid(), work, deadline))

    def poll(self, look: Callable[[], object]) -> None:
        """Look for work that nobody rang for, until the end."""
        while not self.ended.wait(self.tasks.poll_s):
            try:
                look()
            except ScanmillError as error:
                log.warning("cannot look for work: %s", error.code)
            except Exception:
                log.exception("looking for work failed")

    def _await_ledger(self, profile: str) -> None:
        while not self.ended.is_set():
            try:
                with self.database.begin() as connection:
                    ledger.register(connection, self.owner, self.slot.node, os.getpid(), profile)
            except StorageUnavailable:
                log.warning("the ledger is away; waiting")
                time.sleep(1)
            else:
                return

    def _beat(self, current: Callable[[], Sequence[int]]) -> None:
        while not self.ended.wait(self.tasks.lease_s / 3):
            try:
                with self.database.begin() as connection:
                    ledger.heartbeat(connection, self.owner, current(), lease_s=self.tasks.lease_s)
            except StorageUnavailable:
                log.warning("no heartbeat: the ledger is away")


def die_with_parent() -> None:
    """Linux: be killed when the Celery process that forked us dies, so that nobody works unwatched."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
