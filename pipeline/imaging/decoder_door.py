"""How a client reaches a decode server: the host's by its socket, or a private one that it starts itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Protocol

from pipeline.imaging.wire import SERVER_ENVIRONMENT
from pipeline.settings import PipelineSettings

_ROOT = Path(__file__).resolve().parents[2]
_STOP_S = 5.0
_PATIENCE_S = 5.0
"""How long a host's server may be away: its supervisor starts it again."""

_PAUSE_S = 0.1


def server_command(settings: PipelineSettings, door: str) -> list[str]:
    """The command line of a decode server; ``door`` is ``--socket=PATH`` or ``--control=FILE_NUMBER``.

    ``pipeline`` must be importable there without the working directory. The server ends with this process, which must start it.
    """
    return [
        *(sys.executable, "-P", "-B", "-m", "pipeline.imaging.decode_server", door),
        f"--parent={os.getpid()}",
        f"--memory-bytes={settings.decoder_memory_bytes}",
        f"--cpu-s={settings.decoder_cpu_s}",
        f"--deadline-s={settings.decoder_deadline_s}",
        f"--children={settings.decoder_children}",
        f"--environment={settings.environment}",
        f"--fault-plan={settings.fault_plan}",
    ]


class Door(Protocol):
    """Where connections to a decode server come from. Safe to share between threads."""

    starts: int
    """How often a server was started here; more than once means that one died."""

    def connect(self) -> socket.socket:
        """A new connection; raises OSError when the server is away."""
        ...

    def close(self) -> None: ...


class HostDoor:
    """The server that the host's supervisor keeps running, by the path of its socket."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.starts = 0

    def connect(self) -> socket.socket:
        end = time.monotonic() + _PATIENCE_S
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(self._path)
            except OSError:
                connection.close()
                if time.monotonic() > end:
                    raise
                time.sleep(_PAUSE_S)
            else:
                return connection

    def close(self) -> None:
        """Nothing to do: the server is not ours."""


class OwnDoor:
    """A private server, started at the first connection and again when it has died.

    It has no address: connections are handed to it over a packet socket, and when the last copy of our end of that is
    closed, by ``close`` or by our death, it ends.
    """

    def __init__(self, settings: PipelineSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self.starts = 0
        _doors.add(self)

    def connect(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with theirs, self._lock:
                self._hand_over(theirs)
        except OSError:
            ours.close()
            raise
        return ours

    def close(self) -> None:
        with self._lock:
            self._stop()

    @property
    def pid(self) -> int | None:
        """Process id of the server, None when none is running."""
        return self._server.pid if self._server and self._server.poll() is None else None

    def forget(self) -> None:
        """In a fork: the server is our parent's. Its process object is kept, so that nobody waits for it here."""
        if self._control is not None:
            self._control.close()
        _not_ours.append(self._server)
        self._lock, self._control, self._server = threading.Lock(), None, None

    def _hand_over(self, theirs: socket.socket) -> None:
        if self.pid is None:
            self._start()
        try:
            self._send(theirs)
        except (BrokenPipeError, ConnectionResetError):
            self._start()
            self._send(theirs)

    def _send(self, theirs: socket.socket) -> None:
        assert self._control is not None
        socket.send_fds(self._control, [b"."], [theirs.fileno()])

    def _start(self) -> None:
        self._stop()
        self.starts += 1
        self._control, door = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(self._settings.decoder_deadline_s)
        with door:
            self._server = subprocess.Popen(
                server_command(self._settings, f"--control={door.fileno()}"),
                pass_fds=[door.fileno()],
                cwd="/",
                env={"PYTHONPATH": str(_ROOT), **SERVER_ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._server is not None:
            try:
                self._server.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        self._control = self._server = None


_doors: weakref.WeakSet[OwnDoor] = weakref.WeakSet()
_not_ours: list[subprocess.Popen[bytes] | None] = []


def _forget_all() -> None:
    for door in list(_doors):
        door.forget()


os.register_at_fork(after_in_child=_forget_all)
