"""A small net of hostile servers under one name, and the answers they give."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from storage.fetch import fetch
from storage.settings import FetchSettings
from tests.servers.hostile_http import Answer, Authority, HostileServer

HOST = "img.test"
MIB = 1024 * 1024
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PICTURE = b"\xff\xd8\xff\xe0 not really a picture " * 10


def raw(*pieces: bytes) -> Answer:
    """Send these bytes, in one go each."""

    def answer(connection: socket.socket, path: str) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return answer


def ok(body: bytes = PICTURE, *headers: str, status: str = "200 OK", length: int | None = None) -> Answer:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return raw("\r\n".join(lines).encode() + body)


def redirect(location: str) -> Answer:
    return raw(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())


def routes(table: dict[str, Answer]) -> Answer:
    return lambda connection, path: table[path](connection, path)


def endless(head: bytes, piece: bytes, pause_s: float = 0) -> Answer:
    """Send ``piece`` again and again until the other side hangs up."""

    def answer(connection: socket.socket, path: str) -> None:
        connection.sendall(head)
        with suppress(OSError):
            while True:
                connection.sendall(piece)
                time.sleep(pause_s)

    return answer


def silence(connection: socket.socket, path: str) -> None:
    with suppress(OSError):
        connection.recv(1)


class Net:
    """Servers under one name, the resolver that knows them, and settings that let us in there and are in a hurry."""

    def __init__(self, stack: ExitStack, authority: Authority) -> None:
        self._stack = stack
        self.authority = authority
        self.servers: list[HostileServer] = []
        self.asked: list[str] = []

    def serve(self, answer: Answer, tls: ssl.SSLContext | None = None) -> HostileServer:
        server = self._stack.enter_context(HostileServer(answer, tls))
        self.servers.append(server)
        return server

    def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return ["127.0.0.1"]

    def fetch(self, url: str, **changes: Any) -> bytes:
        given: dict[str, Any] = {
            "url_allow": frozenset(f"{HOST}:{server.port}" for server in self.servers),
            "url_ca_file": self.authority.certificate,
            "fetch_connect_s": 1.0,
            "fetch_tls_s": 0.5,
            "fetch_head_s": 0.6,
            "fetch_total_s": 5.0,
            "fetch_window_s": 0.4,
        }
        return fetch(url, FetchSettings(**{**given, **changes}), resolve=self.resolve)

    def visit(self, answer: Answer, **changes: Any) -> bytes:
        return self.fetch(f"http://{HOST}:{self.serve(answer).port}/", **changes)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def net(authority: Authority) -> Iterator[Net]:
    with ExitStack() as stack:
        yield Net(stack, authority)
