"""A bounded number of requests that hold a thread for long: more of them get 503 at once, not a place in a queue."""

from __future__ import annotations

import threading
from types import TracebackType

from prometheus_client import Gauge

from pipeline.errors import Overloaded


class Slots:
    """``with slots:`` holds one of ``most`` places. Raises Overloaded when none is free."""

    def __init__(self, most: int, held: Gauge) -> None:
        self.most = most
        self._free = threading.Semaphore(most)
        self._held = held

    def acquire(self) -> None:
        if not self._free.acquire(blocking=False):
            raise Overloaded(f"all {self.most} places are taken")
        self._held.inc()

    def release(self) -> None:
        self._held.dec()
        self._free.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
