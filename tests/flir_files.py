"""JPEGs with a plane of temperatures as FLIR's cameras write them, and the counts of known temperatures.

The way forward is written down here once more, by the formulas and apart from the code under test. Files of real cameras
are taken where a folder of them is at hand.
"""

from __future__ import annotations

import io
import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests.public_weights import BESIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

REAL = Path(os.environ.get("THERMOGRAMS", BESIDE / "images" / "thermal"))
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="no files of real cameras: THERMOGRAMS names a folder")

CAMERA = {
    "emissivity": 0.95, "distance_m": 5.0, "reflected_k": 298.15, "atmosphere_k": 283.15, "window_k": 290.15,
    "window_transmission": 0.97, "humidity": 0.6, "r1": 15848.85, "b": 1414.9, "f": 1.0, "r2": 0.014533, "o": -4405,
    "alpha1": 0.006569, "alpha2": 0.01262, "beta1": -0.002276, "beta2": -0.00667, "x": 1.9,
    "range_from_k": 233.15, "range_to_k": 423.15,
}  # fmt: skip
PLACES = {
    0x20: "emissivity", 0x24: "distance_m", 0x28: "reflected_k", 0x2C: "atmosphere_k", 0x30: "window_k",
    0x34: "window_transmission", 0x3C: "humidity", 0x58: "r1", 0x5C: "b", 0x60: "f", 0x70: "alpha1", 0x74: "alpha2",
    0x78: "beta1", 0x7C: "beta2", 0x80: "x", 0x90: "range_to_k", 0x94: "range_from_k", 0x30C: "r2",
}  # fmt: skip
PIECE = 60_000


def black_body(kelvin: float, camera: Mapping[str, float]) -> float:
    return camera["r1"] / (camera["r2"] * (math.exp(camera["b"] / kelvin) - camera["f"])) - camera["o"]


def air(camera: Mapping[str, float]) -> float:
    t = camera["atmosphere_k"] - 273.15
    water = camera["humidity"] * math.exp(1.5587 + 0.06939 * t - 0.00027816 * t * t + 0.00000068455 * t**3)
    shares = [
        math.exp(-math.sqrt(camera["distance_m"]) * (camera[f"alpha{n}"] + camera[f"beta{n}"] * math.sqrt(water)))
        for n in (1, 2)
    ]
    return camera["x"] * shares[0] + (1 - camera["x"]) * shares[1]


def counts_of(celsius: Any, camera: Mapping[str, float] = CAMERA) -> NDArray[np.uint16]:
    """What the sensor counts before a scene of these temperatures."""
    e, t, w = camera["emissivity"], air(camera), camera["window_transmission"]
    seen = [
        e * t * w * black_body(float(degrees) + 273.15, camera)
        + (1 - e) * t * w * black_body(camera["reflected_k"], camera)
        + (1 - t) * w * black_body(camera["atmosphere_k"], camera)
        + (1 - w) * black_body(camera["window_k"], camera)
        for degrees in np.asarray(celsius).ravel()
    ]
    return np.round(seen).astype(np.uint16).reshape(np.shape(celsius))


def camera_record(camera: Mapping[str, float], order: str = "<") -> bytes:
    record = bytearray(2476)
    struct.pack_into(f"{order}H", record, 0, 2)
    for place, name in PLACES.items():
        struct.pack_into(f"{order}f", record, place, camera[name])
    struct.pack_into(f"{order}i", record, 0x308, int(camera["o"]))
    return bytes(record)


def raw_record(counts: NDArray[np.uint16], *, png: bool = False, order: str = "<") -> bytes:
    height, width = counts.shape
    header = struct.pack(f"{order}HHH", 2, width, height).ljust(32, b"\0")
    if not png:
        return header + counts.astype(f"{order}u2").tobytes()
    file = io.BytesIO()
    Image.fromarray(counts.byteswap()).save(file, "PNG")
    return header + file.getvalue()


def block(records: Mapping[int, bytes], order: str = ">") -> bytes:
    """FFF: 64 bytes of header, 32 for each record in the directory, the records."""
    at, directory, body = 64 + 32 * len(records), b"", b""
    for kind, record in records.items():
        directory += struct.pack(f"{order}HHIIII", kind, 1, 100, 1, at + len(body), len(record)).ljust(32, b"\0")
        body += record
    head = b"FFF\0".ljust(20, b"\0") + struct.pack(f"{order}III", 100, 64, len(records))
    return head.ljust(64, b"\0") + directory + body


def with_block(jpeg: bytes, fff: bytes) -> bytes:
    """The JPEG with the block in as many segments as it takes, before its other segments."""
    pieces = [fff[at : at + PIECE] for at in range(0, len(fff), PIECE)]
    segments = b""
    for number, piece in enumerate(pieces):
        payload = b"FLIR\0\1" + bytes([number, len(pieces) - 1]) + piece
        segments += b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload
    return jpeg[:2] + segments + jpeg[2:]


def jpeg(pixels: NDArray[np.uint8], orientation: int = 1) -> bytes:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(file, "JPEG", quality=92, exif=exif)
    return file.getvalue()


def radiometric(
    celsius: Any,
    pixels: NDArray[np.uint8] | None = None,
    camera: Mapping[str, float] = CAMERA,
    *,
    png: bool = True,
    orientation: int = 1,
) -> bytes:
    """A whole file of a scene; the picture is grey where none is given."""
    shown = np.full((*np.shape(celsius), 3), 90, np.uint8) if pixels is None else pixels
    records = {0x01: raw_record(counts_of(celsius, camera), png=png), 0x20: camera_record(camera)}
    return with_block(jpeg(shown, orientation), block(records))
