"""SIGTERM as a wish: work that can be taken up again ends at its next good moment, everything else at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stopped(BaseException):
    """The run was asked to stop, and what it did can be gone on with. No `except Exception` on its way keeps it."""


class Stop:
    """Whether the run was asked to stop. Without `heed` nobody ever asks."""

    def __init__(self) -> None:
        """Nobody asked yet."""
        self.asked = False
        self.waits = False

    def heed(self) -> None:
        """From now on a SIGTERM asks; of the main thread only."""
        signal.signal(signal.SIGTERM, self.ask)

    def ask(self, *_: Any) -> None:
        """Ask; ends the run here and now with `Stopped` unless it is `polite`."""
        self.asked = True
        if not self.waits:
            raise Stopped

    def obey(self) -> None:
        """End here with `Stopped` if somebody asked."""
        if self.asked:
            raise Stopped

    @contextmanager
    def polite(self) -> Iterator[None]:
        """Inside, a wish is only noted, and whoever works looks at `asked`."""
        self.waits = True
        try:
            yield
        finally:
            self.waits = False
