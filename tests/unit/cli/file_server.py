"""A real HTTP server on loopback that hands out one file, well or badly."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FileServer(ThreadingHTTPServer):
    """``content`` under every path. ``manners`` are taken off the front, one per request; the last one stays.

    good, no_range, dies (half of what was asked for, then the connection ends), silent (no byte at all), long and short
    (a Content-Length that is not true), wrong (a byte changed), other_part, gzip, endless, missing, busy, redirect:URL
    """

    daemon_threads = True

    def __init__(self, content: bytes, *manners: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.manners = content, list(manners or ["good"])
        self.asked: list[str | None] = []
        """The Range header of each request."""

    def speak_tls(self, context: ssl.SSLContext) -> None:
        self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        scheme = "https" if isinstance(self.socket, ssl.SSLSocket) else "http"
        return f"{scheme}://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the tests."""


class Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        manners = self.server.manners.pop(0) if len(self.server.manners) > 1 else self.server.manners[0]
        manner, _, target = manners.partition(":")
        if manner in ("missing", "busy", "redirect"):
            self.send_response({"missing": 404, "busy": 503, "redirect": 302}[manner])
            self.send_header("Content-Length", "0")
            if target:
                self.send_header("Location", target)
            self.end_headers()
        else:
            self._file(manner, asked)

    def _file(self, manner: str, asked: str | None) -> None:
        content = self.server.content
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and manner != "no_range" else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = content[start:]
        if manner == "wrong":
            body = body[:-1] + bytes([body[-1] ^ 1])
        length = len(body) + {"long": 10, "short": -10}.get(manner, 0)
        self.send_response(206 if asked and manner != "no_range" else 200)
        if asked and manner != "no_range":
            shown = start + 7 if manner == "other_part" else start
            self.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
        if manner == "gzip":
            self.send_header("Content-Encoding", "gzip")
        if manner != "endless":
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write({"dies": body[: len(body) // 2], "silent": b""}.get(manner, body))
        while manner == "endless":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def serving(content: bytes, *manners: str, tls: ssl.SSLContext | None = None) -> Iterator[FileServer]:
    server = FileServer(content, *manners)
    if tls:
        server.speak_tls(tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
