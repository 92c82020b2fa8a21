"""As much of S3 as one object needs, with every fault that S3 servers have; signatures are not checked."""

from __future__ import annotations

import hashlib
import re
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Faults:
    """How the server behaves: everything at its best unless said otherwise."""

    errors: list[tuple[int, str]] = field(default_factory=list)
    """Answers to give first, in this order."""
    keeps: list[int] = field(default_factory=list)
    """Of the next uploads, how many bytes are really kept, though all are acknowledged."""
    cuts: list[int] = field(default_factory=list)
    """After how many bytes the next downloads break off."""
    flips: int = 0
    """How many of the next downloads have a wrong byte."""
    hangs: int = 0
    """How many of the next requests are never answered."""
    confirms: bool = False
    """Whether an upload's answer says which SHA-256 was stored."""
    knows_checksums: bool = True
    requests: list[str] = field(default_factory=list)
    checksums: list[str | None] = field(default_factory=list)
    """What the uploads said their SHA-256 was, in base64."""


class FaultyS3(BaseHTTPRequestHandler):
    """As much of S3 as one object needs."""

    protocol_version = "HTTP/1.1"
    faults: Faults
    objects: dict[str, tuple[bytes, dict[str, str]]]

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silent."""

    def _fails(self) -> bool:
        faults = self.faults
        faults.requests.append(self.command)
        if faults.hangs:
            faults.hangs -= 1
            with suppress(OSError):
                self.connection.settimeout(5)
                self.connection.recv(1)
            self.close_connection = True
            return True
        if faults.errors:
            status, code = faults.errors.pop(0)
            self._error(status, code)
            return True
        return False

    def _error(self, status: int, code: str) -> None:
        body = b"" if self.command == "HEAD" else f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self._answer(status, body, {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str], length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @property
    def _key(self) -> str:
        return unquote(urlsplit(self.path).path)

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        checksum = self.headers.get("x-amz-checksum-sha256")
        self.faults.checksums.append(checksum)
        if checksum and not self.faults.knows_checksums:
            self.faults.requests.append("PUT")
            return self._error(501, "NotImplemented")
        if self._fails():
            return None
        assert self.headers["x-amz-content-sha256"] == hashlib.sha256(content).hexdigest()
        kept = {
            name.lower(): value
            for name, value in self.headers.items()
            if re.match("x-amz-meta|content-type", name, re.IGNORECASE)
        }
        self.objects[self._key] = (content[: self.faults.keeps.pop(0)] if self.faults.keeps else content, kept)
        confirmed = {"x-amz-checksum-sha256": checksum} if self.faults.confirms and checksum else {}
        return self._answer(200, b"", confirmed)

    def do_GET(self) -> None:  # also HEAD
        if self._fails():
            return None
        if self._key not in self.objects:
            return self._error(404, "NoSuchKey")
        content, headers = self.objects[self._key]
        if self.faults.flips:
            self.faults.flips -= 1
            content = b"?" + content[1:]
        if self.faults.cuts and self.command == "GET":
            self._answer(200, content[: self.faults.cuts.pop(0)], headers, len(content))
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        return self._answer(200, content, headers)

    do_HEAD = do_GET  # noqa: N815  the name that http.server looks for

    def do_DELETE(self) -> None:
        if not self._fails():
            self.objects.pop(self._key, None)
            self._answer(204, b"", {})
