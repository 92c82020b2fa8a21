"""What one throw-away child does: read one request, lock itself in, decode, answer, be gone."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NoReturn

from PIL import Image, ImageCms

from pipeline import faults
from pipeline.errors import ScanmillError
from pipeline.imaging.canonical import canonicalise
from pipeline.imaging.flir import read_plane
from pipeline.imaging.sandbox import confine
from pipeline.imaging.wire import ANSWER, MAX_FILE, MAX_JSON, REQUEST, pack_json, read_exactly
from pipeline.sniff import ImageLimits

EXIT_MEMORY = 12
"""Exit status of a child that had no memory left even to say so."""

_CONNECTION = 3
"""File number of a child's one connection, after stdin, stdout and stderr."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a child may use: address space, processor and wall seconds; and how many may run at a time."""

    memory_bytes: int
    cpu_s: int
    deadline_s: float
    children: int


def run_child(number: int, parent: int, bounds: Bounds) -> NoReturn:
    """Serve the connection ``number`` as a fresh fork of ``parent``. Never returns into the server's loop.

    ``/dev/null`` must be open as stdin.
    """
    status = 1
    try:
        for closed in (1, 2):
            os.dup2(0, closed)
        os.dup2(number, _CONNECTION)
        os.closerange(_CONNECTION + 1, os.sysconf("SC_OPEN_MAX"))
        connection = socket.socket(fileno=_CONNECTION)
        request, content = _read_request(connection)
        faults.fp("decode.child")
        faults.fp(f"decode.child:{request['sha256']}")
        confine(parent, bounds.memory_bytes, bounds.cpu_s)
        _answer(connection, request, content)
        status = 0
    except MemoryError:
        status = EXIT_MEMORY
    finally:
        os._exit(status)


def _read_request(connection: socket.socket) -> tuple[dict[str, Any], bytes]:
    json_size, file_size = REQUEST.unpack(read_exactly(connection, REQUEST.size))
    if json_size > MAX_JSON or file_size > MAX_FILE:
        raise ValueError(f"request of {json_size} and {file_size} bytes")
    request: dict[str, Any] = json.loads(read_exactly(connection, json_size))
    return request, bytes(read_exactly(connection, file_size))


def _answer(connection: socket.socket, request: dict[str, Any], content: bytes) -> None:
    data = b""
    try:
        if request.get("plane"):
            plane = read_plane(content)
            data, answer = plane.counts, {name: getattr(plane, name) for name in plane.__slots__ if name != "counts"}
        else:
            picture = canonicalise(content, ImageLimits(**request["limits"]), request["longest_side"])
            data = picture.pixels
            answer = {name: getattr(picture, name) for name in picture.__slots__ if name != "pixels"}
    except ScanmillError as error:
        # Pillow quotes what it found in the file; escaped and short, it can do no harm in a log.
        answer = {"code": error.code, "detail": ascii(str(error))[:300]}
    text = pack_json(answer)
    connection.sendall(ANSWER.pack(len(text)) + text)
    connection.sendall(data)


def rehearse() -> None:
    """Decode one picture of each kind, ours, so that whatever Pillow loads late is loaded before the first fork."""
    sheet = Image.new("RGB", (64, 48), "teal")
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    for form in ("JPEG", "PNG", "WEBP", "BMP"):
        kept = BytesIO()
        sheet.save(kept, form, exif=exif, icc_profile=srgb)
        canonicalise(kept.getvalue(), ImageLimits(), 32)
