"""A whole Scanmill that cats are sent to, and a host in its network that keeps their pictures."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import httpx
from PIL import Image

from tests import photos
from tests.stack import Stack

CALLS = ("/api/validate", "/api/detect-face", "/api/predict")


@cache
def part_of_a_cat(left: float, top: float, right: float, bottom: float) -> bytes:
    """A part of the cat's photograph, as JPEG; edges as shares of its sides."""
    whole = Image.open(io.BytesIO(photos.cat()))
    width, height = whole.size
    file = io.BytesIO()
    whole.crop((int(left * width), int(top * height), int(right * width), int(bottom * height))).save(
        file, "JPEG", quality=92
    )
    return file.getvalue()


def without_a_face() -> bytes:
    """Half of a cat's head: a cat, but no face that is found."""
    return part_of_a_cat(0, 0, 0.5, 1)


def without_landmarks() -> bytes:
    """An ear and an eye: taken for a face, whose six points cannot be one."""
    return part_of_a_cat(0, 0, 1 / 3, 0.5)


class Kennel:
    """The stack with one tenant, spoken to as the seed's clients do."""

    def __init__(self, stack: Stack, internal: str) -> None:
        self.stack = stack
        self.internal = internal
        self.tenant: UUID = stack.tenant("rescat")
        self.key = stack.key(self.tenant)
        self.http = httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=90)

    def ask(self, path: str, picture: bytes | str, prefer: str | None = None, **fields: Any) -> httpx.Response:
        """A call with an upload, or with the address of a picture."""
        headers = {"Prefer": prefer} if prefer else {}
        if isinstance(picture, str):
            return self.http.post(path, json={"image_url": picture, **fields}, headers=headers)
        form = {name: str(value).lower() for name, value in fields.items()}
        return self.http.post(path, files={"file": ("cat.jpg", picture)}, data=form, headers=headers)

    def scan(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """The scan behind an answer, as ``/v1`` shows it."""
        return self.stack.scan(self.tenant, UUID(answer["scan_id"]))


@contextmanager
def internal_host(pictures: Mapping[str, bytes]) -> Iterator[str]:
    """A web server on loopback, as an installation's own storage is: host and port."""

    class Pictures(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = pictures.get(self.path)
            self.send_response(HTTPStatus.NOT_FOUND if found is None else HTTPStatus.OK)
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Pictures) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
