"""An ended batch to read from, a page at a time: no transaction is open while a client reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from api.report.batch import NOT_SHOWN
from api.scanpack.layout import LINES
from api.services import Services
from db import batch_views, scanpacks
from db.batch_views import Which
from db.views import ArtifactRow
from pipeline.errors import InputCorrupt, InputMissing, NotFinished, NotFound
from storage.keys import artifact_key

Line = dict[str, Any]


@dataclass(slots=True)
class Source:
    """Raises NotFound or NotFinished when made. Reading raises ConnectionAbortedError once the batch runs again."""

    here: Services
    tenant_id: UUID
    batch_id: UUID
    batch: dict[str, Any] = field(init=False)
    pipeline: dict[str, Any] = field(init=False)
    _ended: datetime | None = field(init=False)

    def __post_init__(self) -> None:
        with self.here.database.begin() as connection:
            found = batch_views.get(connection, self.tenant_id, self.batch_id)
            if found is None:
                raise NotFound
            self._ended = scanpacks.ended_at(connection, self.tenant_id, self.batch_id)
            if self._ended is None:
                raise NotFinished
            self.batch = found
            self.pipeline = scanpacks.pipeline(connection, self.tenant_id, self.batch_id)

    @property
    def stages(self) -> list[str]:
        return [stage["name"] for stage in self.pipeline["stages"]]

    def models(self) -> list[dict[str, Any]]:
        """Name, digest, and what the registry knows of each model of the pipeline: its manifest entry and card, or null."""
        wanted = {name: digest for stage in self.pipeline["stages"] for name, digest in stage["models"].items()}
        with self.here.database.begin() as connection:
            known = {each["name"]: each for each in scanpacks.models(connection, wanted)}
        blank = {"version": None, "pack": None, "sha256": None, "entry": None, "card": None}
        return [
            {**blank, "name": name, "digest": digest, **known.get(name, {})} for name, digest in sorted(wanted.items())
        ]

    def pages(self, which: Which | None = None) -> Iterator[list[Line]]:
        """Wanted lines in their order, at most ``LINES`` at once."""
        after = 0
        while True:
            self._go_on()
            with self.here.database.begin() as connection:
                found = batch_views.items(
                    connection, self.tenant_id, self.batch_id, which or Which(), after=after, limit=LINES
                )
            if found:
                yield found
            if len(found) < LINES:
                return
            after = found[-1]["n"]

    def pictures(self, lines: Sequence[Line]) -> dict[str, list[ArtifactRow]]:
        """Scan's id → its pictures."""
        wanted = [line["scan_id"] for line in lines if line["scan_id"]]
        with self.here.database.begin() as connection:
            found = scanpacks.pictures(connection, self.tenant_id, wanted)
        return {scan: [each for each in pictures if each.name not in NOT_SHOWN] for scan, pictures in found.items()}

    def content(self, artifact: ArtifactRow) -> bytes | None:
        """A picture's bytes; None when it is past its lifetime or storage has it no more. Raises StorageUnavailable."""
        if artifact.expired:
            return None
        try:
            return self.here.storage.get(artifact_key(self.tenant_id, artifact.sha256), artifact.sha256)
        except (InputMissing, InputCorrupt):
            return None

    def _go_on(self) -> None:
        """An answer that ended in good order would be taken for the whole, so what cannot be whole is cut off."""
        if self.here.stopping.is_set():
            raise ConnectionAbortedError("the server is stopping")
        with self.here.database.begin() as connection:
            now = scanpacks.ended_at(connection, self.tenant_id, self.batch_id)
        if now != self._ended:
            raise ConnectionAbortedError("the batch runs again")
