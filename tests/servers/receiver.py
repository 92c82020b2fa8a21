"""A receiver of webhooks: a real HTTP or HTTPS server on loopback that remembers what came and answers as it is told."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Message:
    """One request as it came, and when by the monotonic clock."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    def verified(self, secret: str) -> dict[str, Any]:
        """What is told, once the library of the specification believes the signature."""
        return dict(Webhook(secret).verify(self.body, self.headers))


Reply = Callable[[int, Message], int]
"""Number of the message (from 1) and the message → status."""


@dataclass
class Receiver:
    """``reply`` decides each answer; every answer has a Location, which only a redirect means."""

    reply: Reply = lambda number, message: 204
    port: int = 0
    location: str = "/elsewhere"
    messages: list[Message] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, message: Message) -> int:
        with self.lock:
            self.messages.append(message)
            number = len(self.messages)
        return self.reply(number, message)


@contextmanager
def receiving(reply: Reply | None = None, tls: ssl.SSLContext | None = None, *, port: int = 0) -> Iterator[Receiver]:
    """A receiver that runs until the end of the block; 204 to everything unless told otherwise."""
    receiver = Receiver(reply) if reply else Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.take(Message(self.path, headers, body, time.monotonic()))
            self.send_response(status)
            self.send_header("Location", receiver.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as http:
        if tls is not None:
            http.socket = tls.wrap_socket(http.socket, server_side=True)
        http.daemon_threads = True
        http.block_on_close = False
        receiver.port = http.server_port
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            http.shutdown()
            thread.join()
