"""What a FLIR camera leaves in its JPEG beside the picture: its sensor's counts, and what turns them into temperatures.

Runs in the decode child, never in a worker; of libraries it needs Pillow only. The layout is the one that ExifTool
documents (exiftool.org/TagNames/FLIR.html): APP1 segments named FLIR hold the pieces of one block, FFF, whose records
have a type, a place and a length. Every number is a stranger's: whatever does not fit ends as RadiometryUnreadable.
"""

from __future__ import annotations

import struct
import warnings
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from PIL import Image

from pipeline.errors import NotRadiometric, RadiometryUnreadable
from pipeline.imaging.canonical import orientation_of

MOST_COUNTS: Final = 2048 * 1536
"""Pixels of a sensor, with what its camera makes of several shots."""
_MOST_RECORDS: Final = 256
_RAW, _CAMERA = 0x01, 0x20
_PLANE_HEADER: Final = 32

FLOATS: Final = {
    "emissivity": 0x20,
    "distance_m": 0x24,
    "reflected_k": 0x28,
    "atmosphere_k": 0x2C,
    "window_k": 0x30,
    "window_transmission": 0x34,
    "humidity": 0x3C,
    "r1": 0x58,
    "b": 0x5C,
    "f": 0x60,
    "alpha1": 0x70,
    "alpha2": 0x74,
    "beta1": 0x78,
    "beta2": 0x7C,
    "x": 0x80,
    "range_to_k": 0x90,
    "range_from_k": 0x94,
    "r2": 0x30C,
}
"""Number of the camera's record → its place there, a float of four bytes."""
_OFFSET: Final = 0x308
"""The place of Planck's O, a whole number."""


@dataclass(frozen=True, slots=True)
class Plane:
    """``counts``: uint16, the low byte first, row by row, as the sensor lies. ``numbers``: those of FLOATS, and ``o``.

    ``orientation`` is that of the picture, as EXIF has it.
    """

    counts: bytes
    width: int
    height: int
    numbers: dict[str, float]
    orientation: int


def read_plane(content: bytes) -> Plane:
    """The plane of a JPEG's bytes. Raises NotRadiometric when there is none, RadiometryUnreadable for one we cannot read."""
    block = _block(content)
    if not block:
        raise NotRadiometric("no FLIR segment")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _plane(content, block)
    except MemoryError:
        raise
    except Exception as error:  # whatever Pillow raises over a stranger's PNG or EXIF
        raise RadiometryUnreadable(f"{type(error).__name__}: {error}") from error


def _plane(content: bytes, block: bytes) -> Plane:
    records = _records(block)
    width, height, counts = _counts(records[_RAW])
    camera = records[_CAMERA]
    order = _order(camera)
    numbers = {name: float(struct.unpack_from(f"{order}f", camera, at)[0]) for name, at in FLOATS.items()}
    numbers["o"] = float(struct.unpack_from(f"{order}i", camera, _OFFSET)[0])
    with Image.open(BytesIO(content), formats=["JPEG"]) as image:
        return Plane(counts, width, height, numbers, orientation_of(image))


def _block(content: bytes) -> bytes:
    """The pieces of FFF in the order of their numbers; the first of two with one number counts."""
    pieces: dict[int, bytes] = {}
    for payload in _app1(content):
        if payload.startswith(b"FLIR\0") and len(payload) > 8:
            pieces.setdefault(payload[6], payload[8:])
    return b"".join(pieces[number] for number in sorted(pieces))


def _app1(content: bytes) -> Iterator[bytes]:
    """Payloads of the APP1 segments before the picture's data; each step moves on by at least two bytes."""
    at = 2
    while content.startswith(b"\xff\xd8") and at + 4 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4])
        if marker == 0xDA or length < 2:
            return
        if marker == 0xE1:
            yield content[at + 4 : at + 2 + length]
        at += 2 + length


def _records(block: bytes) -> dict[int, bytes]:
    """The first record of each type. The version, 100 to 199, tells the order of the directory's bytes."""
    if block[:3] not in (b"FFF", b"AFF"):
        raise ValueError("no FFF")
    order = ">" if 100 <= int.from_bytes(block[0x14:0x18]) < 200 else "<"
    place, many = struct.unpack_from(f"{order}II", block, 0x18)
    found: dict[int, bytes] = {}
    for number in range(min(many, _MOST_RECORDS)):
        kind, start, length = struct.unpack_from(f"{order}H10xII", block, place + 32 * number)
        if kind in (_RAW, _CAMERA) and start + length <= len(block):
            found.setdefault(kind, block[start : start + length])
    return found


def _order(record: bytes) -> str:
    """A record begins with the number 2 in its own order of bytes."""
    return "<" if record[:2] == b"\x02\x00" else ">"


def _counts(raw: bytes) -> tuple[int, int, bytes]:
    order = _order(raw)
    width, height = struct.unpack_from(f"{order}HH", raw, 2)
    if not 0 < width * height <= MOST_COUNTS:
        raise ValueError(f"{width} x {height} counts")
    data = raw[_PLANE_HEADER:]
    if data.startswith(b"\x89PNG"):
        return width, height, _of_png(data, (width, height))
    if len(data) < 2 * width * height:
        raise ValueError(f"{len(data)} bytes for {width} x {height} counts")
    counts = data[: 2 * width * height]
    return width, height, counts if order == "<" else _swapped(counts)


def _of_png(data: bytes, size: tuple[int, int]) -> bytes:
    """PNG writes the high byte first; these cameras put the low byte there, so what PNG's rules give is swapped."""
    image = Image.open(BytesIO(data), formats=["PNG"])
    if image.size != size or image.mode != "I;16":
        raise ValueError(f"a PNG of mode {image.mode} and {image.size}, not 16 bits and {size}")
    return _swapped(image.tobytes())


def _swapped(counts: bytes) -> bytes:
    numbers = array("H", counts)
    numbers.byteswap()
    return numbers.tobytes()
