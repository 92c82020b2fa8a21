"""Colours beyond 8-bit RGB are told from the header, and agree with what a decoder says."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.colour_modes import colour_modes
from pipeline.sniff import sniff

CASES: list[tuple[str, str, dict[str, Any], set[str]]] = [
    ("RGB", "JPEG", {}, set()),
    ("RGB", "JPEG", {"exif": b"Exif\0\0" + bytes(500), "progressive": True}, set()),
    ("L", "JPEG", {}, {"grey"}),
    ("CMYK", "JPEG", {}, {"cmyk"}),
    ("RGB", "PNG", {}, set()),
    ("RGBA", "PNG", {}, {"alpha"}),
    ("LA", "PNG", {}, {"grey", "alpha"}),
    ("P", "PNG", {}, {"palette"}),
    ("P", "PNG", {"transparency": 0}, {"palette", "alpha"}),
    ("I;16", "PNG", {}, {"grey", "deep"}),
    ("RGB", "WEBP", {}, set()),
    ("RGB", "WEBP", {"lossless": True}, set()),
    ("RGBA", "WEBP", {}, {"alpha"}),
    ("RGBA", "WEBP", {"lossless": True}, {"alpha"}),
    ("RGB", "BMP", {}, set()),
    ("P", "BMP", {}, {"palette"}),
]


def picture(mode: str, form: str, more: dict[str, Any]) -> bytes:
    rng = np.random.default_rng(1)
    if mode == "I;16":
        made = Image.fromarray(rng.integers(0, 65_535, (64, 64), np.uint16))
    else:
        made = Image.fromarray(rng.integers(0, 255, (64, 64, 4), np.uint8)).convert("RGB" if mode == "P" else mode)
        made = made.convert(mode)
    out = io.BytesIO()
    made.save(out, form, **more)
    return out.getvalue()


@pytest.mark.parametrize(("mode", "form", "more", "expected"), CASES)
def test_modes_are_those_of_the_picture(mode: str, form: str, more: dict[str, Any], expected: set[str]) -> None:
    content = picture(mode, form, more)
    assert colour_modes(content, sniff(content, len(content)).format) == expected


def test_whatever_the_header_check_takes_is_answered() -> None:
    """Each byte of a header turned, each end: no error, as far as `sniff` takes it."""
    rng, taken = np.random.default_rng(2), 0
    for mode, form, more, _ in CASES:
        content = picture(mode, form, more)
        for _ in range(150):
            torn = bytearray(content[: rng.integers(30, len(content))])
            torn[rng.integers(0, min(len(torn), 700))] = rng.integers(0, 256)
            try:
                found = sniff(bytes(torn), len(content)).format
            except Exception:  # noqa: BLE001  refused as it should be
                continue
            assert colour_modes(bytes(torn), found) <= {"grey", "palette", "cmyk", "alpha", "deep"}
            taken += 1
    assert taken > 500
