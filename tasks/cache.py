"""A bounded memory of what lies in storage, so that a worker that carries on reads and decodes nothing twice."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING
from uuid import UUID

from pipeline.imaging.codec import decode_own
from storage import Storage
from storage.keys import artifact_key

if TYPE_CHECKING:
    from pipeline.stage import Pixels


class ArtifactReader:
    """Artifacts by SHA-256, as bytes or pixels. Not for several threads at once.

    Every read from storage is verified against the SHA-256. Raises InputMissing, InputCorrupt or StorageUnavailable.
    """

    def __init__(self, storage: Storage, limit_bytes: int) -> None:
        self._storage = storage
        self._limit = limit_bytes
        self._size = 0
        self._kept: OrderedDict[tuple[UUID, str, str], bytes | Pixels] = OrderedDict()

    def content(self, tenant_id: UUID, sha256: str) -> bytes:
        kept = self._look(tenant_id, sha256, "content")
        if not isinstance(kept, bytes):
            kept = self._storage.get(artifact_key(tenant_id, sha256), sha256)
            self.keep_content(tenant_id, sha256, kept)
        return kept

    def pixels(self, tenant_id: UUID, sha256: str) -> Pixels:
        """Read-only pixels of a picture we wrote."""
        kept = self._look(tenant_id, sha256, "pixels")
        if kept is None or isinstance(kept, bytes):
            kept = decode_own(self.content(tenant_id, sha256))
            self.keep_pixels(tenant_id, sha256, kept)
        return kept

    def keep_content(self, tenant_id: UUID, sha256: str, content: bytes) -> None:
        self._keep((tenant_id, sha256, "content"), content, len(content))

    def keep_pixels(self, tenant_id: UUID, sha256: str, pixels: Pixels) -> None:
        pixels.flags.writeable = False
        self._keep((tenant_id, sha256, "pixels"), pixels, pixels.nbytes)

    def _look(self, tenant_id: UUID, sha256: str, form: str) -> bytes | Pixels | None:
        key = (tenant_id, sha256, form)
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def _keep(self, key: tuple[UUID, str, str], value: bytes | Pixels, size: int) -> None:
        if size > self._limit or key in self._kept:
            return
        self._kept[key] = value
        self._size += size
        while self._size > self._limit:
            _, dropped = self._kept.popitem(last=False)
            self._size -= len(dropped) if isinstance(dropped, bytes) else dropped.nbytes
