"""The API as it is served: gunicorn with our worker, in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx

from db import views
from tests.integration.api.harness import Api
from tests.integration.api.pictures import jpeg
from tests.stack import held_port


class Server:
    """A real API process on a free port; stopped, and its log kept, at the end."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.door = held_port()
        self.port: int = self.door.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self.environment = {**os.environ, **environment, "SCANMILL_API_FD": str(self.door.fileno())}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start, and wait until it answers. Raises AssertionError with the log when it does not."""
        with self.door, self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "python:api.gunicorn_conf", "api.wsgi:app"],
                env=self.environment, stdout=log, stderr=log, start_new_session=True, pass_fds=(self.door.fileno(),),
            )  # fmt: skip
        self.await_answers()
        return self

    def await_answers(self) -> None:
        """Return when /health answers. Raises AssertionError with the log when it does not within a minute."""
        assert self.process is not None
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/health", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def terminate(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """SIGKILL to the whole group, if anything is left of it."""
        self.door.close()
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def exchange(self, request: bytes) -> bytes:
        """Everything the server says to these bytes until it closes."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    chunks = []
    while chunk := connection.recv(65_536):
        chunks.append(chunk)
    return b"".join(chunks)


def submit(client: httpx.Client, **options: str) -> httpx.Response:
    return client.post("/v1/scans", files={"file": ("cat.jpg", jpeg())}, headers=options)


def count(api: Api) -> int:
    with api.here.database.begin() as connection:
        return views.counts(connection, None)["submitted"]


def head(api: Api, *lines: str, method: str = "POST", path: str = "/v1/scans") -> bytes:
    """A request's head, with tenant a's key."""
    key = f"Authorization: Bearer {api.tokens['a']}"
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", key, *lines, "", ""]).encode()
