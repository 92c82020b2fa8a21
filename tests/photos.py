"""Real photographs that come with an installed package."""

from __future__ import annotations

import io
from functools import cache

import skimage.data
from PIL import Image


@cache
def cat() -> bytes:
    """A cat's face as JPEG; its ears leave the picture."""
    return _jpeg("chelsea")


@cache
def not_a_cat() -> bytes:
    """A person, as JPEG."""
    return _jpeg("astronaut")


def _jpeg(name: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(getattr(skimage.data, name)()).save(file, "JPEG", quality=92)
    return file.getvalue()
