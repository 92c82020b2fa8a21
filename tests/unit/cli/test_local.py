"""What `up` does before anything runs: it takes its port, and keeps it."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from cli.local import listening
from cli.processes import ProcessError

STARTS = 16


def test_starts_at_the_same_moment_get_ports_of_their_own() -> None:
    line = threading.Barrier(STARTS)

    def start(_: int) -> socket.socket:
        line.wait(30)
        return listening(0)

    with ThreadPoolExecutor(STARTS) as pool, ExitStack() as held:
        ports = {held.enter_context(door).getsockname()[1] for door in pool.map(start, range(STARTS))}
    assert len(ports) == STARTS


def test_a_port_that_was_asked_for_and_is_taken_is_said_at_once() -> None:
    with listening(0) as door:
        port = door.getsockname()[1]
        with pytest.raises(ProcessError, match=f"port {port} .* is taken"):
            listening(port)
    listening(port).close()
