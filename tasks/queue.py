"""The doorbell: tell workers that runs are ready. The API's only door into this room.

Ringing never blocks, fails or slows the caller: one background thread sends, a full list drops. A lost ring costs a
second, because workers also look for themselves.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeAlias
from uuid import UUID

from celery import Celery
from kombu.exceptions import OperationalError

from pipeline.contracts import Queue
from tasks.app import TRAIN_TASK, make_app, task_name

log = logging.getLogger(__name__)

BACKLOG = 1_000
"""Messages that wait to be sent; more are dropped."""


Message: TypeAlias = tuple[str, str, "list[int] | list[str]"]
"""A task's name, its queue, and the ids it is called with."""


class Ready(Protocol):
    """A run that may be claimed (see db.settle.Ready)."""

    @property
    def run_id(self) -> int: ...
    @property
    def stage(self) -> str: ...
    @property
    def celery_queue(self) -> str: ...


class Doorbell:
    """Sends wake-up calls from a thread of its own. Make it after forking."""

    def __init__(self, redis_url: str, batch_size: int = 16) -> None:
        self._app: Celery = make_app(redis_url)
        self._batch_size = batch_size
        self._waiting: queue.Queue[Message | None] = queue.Queue(BACKLOG)
        self._thread = threading.Thread(target=self._send_all, name="doorbell", daemon=True)
        self._thread.start()

    def ring(self, ready: Iterable[Ready]) -> None:
        """Call for these runs, one message for up to ``batch_size`` runs of one stage."""
        self._call(_messages(ready, self._batch_size))

    def ring_training(self, run_ids: Iterable[UUID]) -> None:
        """Call for these training runs, one message each: none is to wait for another."""
        self._call((TRAIN_TASK, str(Queue.TRAIN), [str(run_id)]) for run_id in run_ids)

    def _call(self, messages: Iterable[Message]) -> None:
        for message in messages:
            try:
                self._waiting.put_nowait(message)
            except queue.Full:
                log.debug("doorbell list is full; workers will find the work by themselves")
                return

    def answers(self) -> bool:
        """Whether Redis answers now. Takes about a second when it does not."""
        try:
            with self._app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, interval_start=0, timeout=1)
        except (OperationalError, OSError):
            return False
        return True

    def close(self, timeout_s: float = 2.0) -> None:
        """Send what waits, then stop."""
        try:
            self._waiting.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _send_all(self) -> None:
        while (message := self._waiting.get()) is not None:
            name, celery_queue, ids = message
            try:
                self._app.send_task(name, args=[ids], queue=celery_queue, ignore_result=True, retry=False)
            except Exception as error:  # noqa: BLE001  the thread must outlive any trouble with Redis; a ring may be lost
                log.debug("ring lost: %s", type(error).__name__)


def _messages(ready: Iterable[Ready], batch_size: int) -> Iterator[Message]:
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for each in ready:
        groups[task_name(each.stage), each.celery_queue].append(each.run_id)
    for (name, celery_queue), ids in groups.items():
        for start in range(0, len(ids), batch_size):
            yield name, celery_queue, ids[start : start + batch_size]
