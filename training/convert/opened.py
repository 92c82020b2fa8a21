"""A session as serving opens it, on the processor and with one thread."""

from __future__ import annotations

from pipeline.models.sessions import OPENERS, Opening, Session


def open_session(runtime: str, content: bytes) -> Session:
    """Raises ModelLoadError."""
    return OPENERS[runtime](content, Opening(threads=1))
