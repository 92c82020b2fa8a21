"""Where everything lies in a scanpack. `scanmill verify` reads what is written by these names."""

from __future__ import annotations

import re
from typing import Final

VERSION: Final = 1
RESULTS: Final = "results.jsonl"
TABLE: Final = "results.csv"
ERRORS: Final = "errors.jsonl"
PIPELINE: Final = "pipeline.json"
BATCH: Final = "batch.json"
KEY: Final = "SIGNING-KEY.pem"
SUMS: Final = "SHA256SUMS"
SIGNATURE: Final = "SHA256SUMS.sig"
UNSUMMED: Final = frozenset({SUMS, SIGNATURE})
"""A list cannot hold its own digest, nor that of what signs it."""
LINES: Final = 200
"""Lines on a page, and lines that are read at once: memory holds no more of them, however long the batch."""

SAFE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){0,3}")
"""Every name in a pack is like this: nothing to escape by, nothing hidden, the same on every file system."""

_SUFFIXES: Final = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/bmp": "bmp"}
_LONGEST: Final = 60


def plain(text: str) -> str:
    """Text as a part of a file's name: ASCII letters, digits, dot, dash and underscore, at most 60 of them."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)[-_LONGEST:]


def picture(n: int, custom_id: str, name: str, media_type: str) -> str:
    """Where an artifact of line ``n`` lies. The number keeps lines apart whose names look alike without their signs."""
    return f"pictures/{n:06d}-{plain(custom_id)}/{plain(name)}.{_SUFFIXES.get(media_type, 'bin')}"


def model(name: str, suffix: str = "json") -> str:
    """Where what is known of a model lies; its card beside it, as ``md``."""
    return f"models/{plain(name).lstrip('.-')}.{suffix}"


def page(number: int) -> str:
    """A page's name; the first, number 1, is the index."""
    return "index.html" if number == 1 else f"page-{number}.html"
