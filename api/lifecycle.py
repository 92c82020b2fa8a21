"""The end of a process: whoever waits in a thread learns of it at once."""

from __future__ import annotations

import threading

_to_set: list[threading.Event] = []


def stop_with(event: threading.Event) -> None:
    """Set this event when the server begins to stop."""
    _to_set.append(event)


def stop() -> None:
    """The server begins to stop. Called from a signal handler."""
    for event in _to_set:
        event.set()
