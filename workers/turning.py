"""What control does beside its turns, in threads of their own: nothing that goes wrong there ends them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from pipeline.errors import ScanmillError

log = logging.getLogger(__name__)

PAUSE_S = 1.0
AWAY_S = 2.0


def turning(
    name: str, turn: Callable[[], bool], stopping: threading.Event, pause_s: float = PAUSE_S
) -> threading.Thread:
    """A thread that calls ``turn`` until control stops, at once again when it did something; started."""

    def run() -> None:
        while not stopping.is_set():
            pause = pause_s
            try:
                pause = 0.0 if turn() else pause_s
            except ScanmillError as error:
                log.warning("%s: %s", name, error.code)
                pause = AWAY_S
            except Exception:
                log.exception("%s failed", name)
                pause = AWAY_S
            stopping.wait(pause)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
