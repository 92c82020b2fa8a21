"""How long something may still take."""

from __future__ import annotations

import time
from typing import Self

from pipeline.errors import UrlTimeout


class Deadline:
    """A moment, by the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def within(self, seconds: float) -> Self:
        """The earlier of this moment and ``seconds`` from now."""
        return type(self)(min(seconds, self.remaining))

    @property
    def passed(self) -> bool:
        return self.remaining <= 0

    @property
    def remaining(self) -> float:
        """Seconds left, 0 or less when it has passed."""
        return self._end - time.monotonic()

    def left(self, what: str) -> float:
        """Seconds left, more than 0. Raises UrlTimeout, naming ``what`` took too long."""
        left = self.remaining
        if left <= 0:
            raise UrlTimeout(what)
        return left
