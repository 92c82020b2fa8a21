"""A whole Scanmill that the clients of a seed speak to, and a host in its network that keeps pictures."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from PIL import Image

from cli.embedded import EmbeddedPostgres, EmbeddedRedis
from tests import databases, photos
from tests.stack import Stack, free_port, running, until

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
    """The stack with one tenant, spoken to as a seed's clients do."""

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


@contextmanager
def open_kennel(
    servers: tuple[EmbeddedPostgres, EmbeddedRedis, str], folder: Path, system: str, internal: str = "", **settings: str
) -> Iterator[Kennel]:
    """API, control and one worker on the servers (and the name of a template database), once ``system`` is offered."""
    postgres, redis_server, template = servers
    folder.mkdir()
    given = {"SCANMILL_API_WORKERS": "1", "SCANMILL_WORKER_METRICS_PORT": str(free_port()), **settings}
    with (
        databases.fresh(postgres, template) as url,
        running(Stack(folder, url, redis_server.url, **given)) as stack,
    ):
        made = Kennel(stack, internal)
        stack.start("control")
        stack.start("worker", "--slots", "1", "--allow-cpu")
        stack.start("api")
        stack.await_published(system)
        stack.await_workers()
        until(lambda: _answers(stack.url), 90, stack.last_words)
        with made.http:
            yield made


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).is_success
    except httpx.TransportError:
        return False
