"""Which pictures go into a dataset: read page by page, consent with each page, and every scan counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from api.services import Services
from db import corrections, datasets
from db.datasets import Begun, Group, Place
from pipeline.contracts import System
from pipeline.errors import InputCorrupt, InputMissing
from storage.keys import artifact_key

STEP = 50
"""Pictures whose reports are read at once."""
EXPORTED, WITHOUT_PICTURE, REPEATED, DELETED = "exported", "without_picture", "repeated", "deleted"
GROUPS = (
    EXPORTED,
    *(str(group) for group in Group if group is not Group.USABLE),
    WITHOUT_PICTURE,
    REPEATED,
    DELETED,
)
"""Every scan is in exactly one of these."""


@dataclass(slots=True)
class Source:
    """One export. Reading raises ConnectionAbortedError when the server stops: what is not whole is cut off."""

    here: Services
    tenant_id: UUID
    system: System
    since: datetime | None
    counts: Counter[str] = field(default_factory=Counter)
    begun: Begun = field(init=False)
    _seen: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        with self.here.database.begin() as connection:
            self.begun = datasets.begin(connection, self.tenant_id, self.system, self.since)
        self.counts[DELETED] = self.begun.deleted

    def pictures(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Each picture once, with the newest scan of it: the scan as ``db.datasets`` tells it, what people said of its findings (``reviewed``), and the picture's bytes."""
        place: Place | Begun | None = self.begun
        while place is not None:
            if self.here.stopping.is_set():
                raise ConnectionAbortedError("the server is stopping")
            with self.here.database.begin() as connection:
                page = datasets.page(connection, self.tenant_id, self.system, self.since, place)
            for group, scans in page.groups.items():
                if group is not Group.USABLE:
                    self.counts[str(group)] += len(scans)
            usable = page.groups[Group.USABLE]
            for first in range(0, len(usable), STEP):
                yield from self._step(usable[first : first + STEP])
            place = page.following

    def _step(self, scans: Sequence[UUID]) -> Iterator[tuple[dict[str, Any], bytes]]:
        reviewed: dict[str, dict[str, str]] = {}
        with self.here.database.begin() as connection:
            found = datasets.pictures(connection, self.tenant_id, scans)
            said = corrections.latest_corrections(connection, self.tenant_id, [str(each) for each in scans])
        for (scan_id, finding), label in said.items():
            reviewed.setdefault(scan_id, {})[finding] = label
        self.counts[DELETED] += len(scans) - len(found)
        for scan in found:
            if not scan["allowed"]:  # withdrawn since the page was read
                self.counts[str(Group.WITHOUT_CONSENT)] += 1
                continue
            digest = bytes.fromhex(scan["sha256"] or "")
            if digest in self._seen:
                self.counts[REPEATED] += 1
                continue
            content = self._content(scan["sha256"]) if digest else None
            self.counts[WITHOUT_PICTURE if content is None else EXPORTED] += 1
            if content is not None:
                self._seen.add(digest)
                yield {**scan, "reviewed": reviewed.get(str(scan["scan_id"]), {})}, content

    def _content(self, sha256: str) -> bytes | None:
        try:
            return self.here.storage.get(artifact_key(self.tenant_id, sha256), sha256)
        except (InputMissing, InputCorrupt):
            return None
