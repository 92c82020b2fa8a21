"""Small pictures whose headers are in order, made without a decoder's room."""

from __future__ import annotations

import functools
import io

from PIL import Image


@functools.cache
def jpeg(side: int = 64, shade: int = 128) -> bytes:
    """A grey JPEG."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), (shade, shade, shade)).save(out, "JPEG")
    return out.getvalue()
