"""Pictures that a service has never seen, so that no answer is a memory: files as they are first, then changed copies."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from itertools import count, cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
BLOCK = 16
"""Side in pixels of the square that a copy has changed: two blocks of a JPEG, so that it survives being compressed."""
LEVELS = (6, -6, 12, -12, 18, -18)
"""Grey levels by which it is changed."""
QUALITY = 95


def distinct(place: Path, wanted: int) -> list[bytes]:
    """``wanted`` pictures of which no two have equal pixels: the files of a folder, or one file, then copies of them."""
    files = _files(place)
    seen: set[str] = set()
    return list(islice((content for content in _endless(files) if _new(content, seen)), wanted))


def repeated(place: Path, wanted: int) -> list[bytes]:
    """The same, first, picture again and again."""
    return _files(place)[:1] * wanted


def changed(content: bytes, number: int) -> bytes:
    """A copy of a picture with one square a little brighter or darker; another ``number`` is another square or shade.

    Raises ValueError when all of them are used up.
    """
    with Image.open(io.BytesIO(content)) as image:
        kind, pixels = image.format or "PNG", np.array(image.convert("RGB"), np.int16)
    height, width = (max(1, side // BLOCK) for side in pixels.shape[:2])
    turn, place = divmod(number, height * width)
    if turn >= len(LEVELS):
        raise ValueError(f"only {len(LEVELS) * height * width} copies of such a picture differ")
    top, left = (BLOCK * at for at in divmod(place, width))
    square = pixels[top : top + BLOCK, left : left + BLOCK]
    square += np.int16(LEVELS[turn] * (1 if square.mean() < 128 else -1))
    file = io.BytesIO()
    how = {"quality": QUALITY} if kind == "JPEG" else {}
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, kind, **how)
    return file.getvalue()


def _files(place: Path) -> list[bytes]:
    paths = sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES) if place.is_dir() else [place]
    if not paths:
        raise FileNotFoundError(f"no pictures below {place}")
    return [path.read_bytes() for path in paths]


def _endless(files: list[bytes]) -> Iterator[bytes]:
    yield from files
    for number, content in zip(count(), cycle(files), strict=False):
        yield changed(content, number // len(files))


def _new(content: bytes, seen: set[str]) -> bool:
    """Whether no picture so far had these pixels: equal ones in other files would be remembered, too."""
    with Image.open(io.BytesIO(content)) as image:
        found = hashlib.sha256(f"{image.size}".encode() + image.convert("RGB").tobytes()).hexdigest()
    fresh = found not in seen
    seen.add(found)
    return fresh
