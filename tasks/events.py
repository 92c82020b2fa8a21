"""Task events for carried stages: Flower sees every stage as a task, also those that no message called.

Nothing depends on them. When Redis is away they are dropped, and not tried again for a while.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from celery import Celery

from tasks.app import task_name

PAUSE_S = 10.0
"""Seconds without events after Redis could not be reached."""


class CarriedEvents:
    """Sends task-received, task-started and task-succeeded under the worker's own node name."""

    def __init__(self, app: Celery, node: str) -> None:
        self._app = app
        self._node = node
        self._silent_until = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def task(self, stage: str, run_ids: Sequence[int]) -> Iterator[None]:
        """Events around one carried micro-batch."""
        with self.named(task_name(stage), run_ids):
            yield

    @contextmanager
    def named(self, name: str, ids: Sequence[object]) -> Iterator[None]:
        """Events around work that no message named."""
        task_id = str(uuid.uuid4())
        began = time.perf_counter()
        self._send(
            [
                ("task-received", {"name": name, "args": repr((list(ids),)), "kwargs": "{}"}),
                ("task-started", {}),
            ],
            task_id,
        )
        yield
        runtime = time.perf_counter() - began
        self._send([("task-succeeded", {"result": "None", "runtime": runtime})], task_id)

    def _send(self, events: Sequence[tuple[str, dict[str, object]]], task_id: str) -> None:
        with self._lock:
            if time.monotonic() < self._silent_until:
                return
            try:
                with self._app.events.default_dispatcher(hostname=self._node) as dispatcher:
                    for kind, fields in events:
                        dispatcher.send(kind, uuid=task_id, retries=0, **fields)
            except Exception:  # noqa: BLE001  an event is never worth a scan
                self._silent_until = time.monotonic() + PAUSE_S
