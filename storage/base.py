"""The storage contract: bytes by key, verified on the way in and on the way out."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from pipeline.errors import InputCorrupt, InputMissing, StorageUnavailable

READS = 3
"""Reads of an object whose bytes are not what was stored, before that is the answer."""

WRITES = 3
"""Writes of an object that storage acknowledged and did not keep, before storage counts as away."""

LONGEST_LINK_S = 7 * 24 * 3600
"""Longest life of a signed link; S3 signs for no longer."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known of an object without reading it. ``sha256`` is None for objects that others put there."""

    size: int
    media_type: str
    sha256: str | None


class Storage(Protocol):
    """Where bytes lie. Safe to use from several threads. Every method raises StorageUnavailable when storage is away."""

    def put(self, key: str, content: bytes, media_type: str) -> None:
        """Store an object whole or not at all, verified before this returns. Storing equal bytes again is fine."""
        ...

    def get(self, key: str, sha256: str | None = None, *, max_bytes: int | None = None) -> bytes:
        """An object's bytes, checked against ``sha256``, or without it against the digest kept at ``put``.

        Raises InputMissing, InputCorrupt (other bytes, three times over), FileTooLarge (more than ``max_bytes``).
        """
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """What is known of an object; None when there is none."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""
        ...

    def walk(self, folder: str, after: str = "") -> Iterator[str]:
        """Paths below ``folder`` of all objects ``folder/path``, read as they are asked for.

        In an order of the storage's own that does not change; those behind the path ``after``. Raises SourceRefused when
        objects may be read and not listed.
        """
        ...

    def signed_url(self, key: str, *, expires_s: int, media_type: str, filename: str) -> str:
        """A link by which anybody may download the object for ``expires_s`` seconds, as an attachment of that name.

        Absolute, or a path below the API's address where the API serves the files itself. The object need not exist.
        """
        ...

    def check(self) -> None:
        """Write, read back, sign and delete a probe. Raises StorageUnavailable, whatever went wrong."""
        ...


def probe(storage: Storage) -> None:
    """``check`` of every storage. The key is new each time, so that checks at the same moment do not meet."""
    key, content = f"probe/{secrets.token_hex(8)}", secrets.token_bytes(64)
    digest = hashlib.sha256(content).hexdigest()
    try:
        storage.put(key, content, "application/octet-stream")
        storage.get(key, digest)
        storage.signed_url(key, expires_s=60, media_type="application/octet-stream", filename="probe.bin")
        storage.delete(key)
        if storage.head(key) is not None:
            raise StorageUnavailable(f"{key} is still there after its deletion")
    except (InputMissing, InputCorrupt) as error:
        raise StorageUnavailable(f"storage does not return what was stored: {error}") from error


def check_link(expires_s: int, media_type: str, filename: str) -> None:
    """Refuse what no signed link can carry. Raises ValueError: these are ours, not a client's."""
    if not 1 <= expires_s <= LONGEST_LINK_S:
        raise ValueError(f"a link lives for 1 to {LONGEST_LINK_S} seconds, not {expires_s}")
    if not media_type.isascii() or not (media_type + filename).isprintable():
        raise ValueError("media type and filename of a link are printable text")
