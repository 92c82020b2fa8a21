"""A folder or a prefix becomes the lines of a batch, page by page. Runs in ``control``, beside its turns.

Each picture's bytes are stored under their SHA-256 before its line is written, as an upload's are. So what happens to
the file later changes no answer, a retry scans the same picture, and a digest tells what changed since another batch.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import islice
from uuid import UUID

from db import batch_sources
from db.batch_sources import Listing, Reached
from db.batches import NewItem
from db.session import Database
from pipeline.errors import (
    InputError,
    OutsideError,
    PathNotAllowed,
    SourceMissing,
    SourceRefused,
    StorageUnavailable,
)
from pipeline.faults import fp
from pipeline.sniff import MEDIA_TYPES, ImageLimits, sniff
from storage import Storage
from storage.keys import artifact_key, line_name
from storage.names import wanted
from storage.sources import Folder, Prefix, Source
from storage.walk import Kind
from tasks.settings import BatchSettings

log = logging.getLogger(__name__)

LEASE_S = 60.0
"""After this long another control takes up a batch whose page never came."""
AGAIN_S = 10.0
"""Pause after trouble with storage or disk."""
READERS = 4
"""Pictures that are in memory at once."""
STEP = 16
"""Lines between two looks at the clock."""
MOST_WALKS = 8
"""Sources whose place in the walk is remembered between pages; others begin again behind their cursor."""

Walk = Iterator[tuple[str, Kind]]


@dataclass
class Page:
    """Lines of one page so far; ``last`` is the last path that was looked at, wanted or not."""

    last: str
    items: list[NewItem] = field(default_factory=list)
    seen: int = 0
    done: bool = False
    again_s: float = 0.0


class SourceLister:
    """Lists the batches that have a source. One per control; its turns are one after the other."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        limits: ImageLimits,
        settings: BatchSettings,
        stopping: threading.Event | None = None,
    ) -> None:
        """``stopping`` closes the page that is being read with what it has."""
        self._database = database
        self._storage = storage
        self._limits = limits
        self._settings = settings
        self._stopping = stopping or threading.Event()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sources")
        self._walks: dict[UUID, tuple[str, Walk]] = {}

    def turn(self) -> bool:
        """One page of one batch; False when none is due. Raises StorageUnavailable when the ledger is away."""
        with self._database.begin() as connection:
            listing = batch_sources.take(connection, LEASE_S)
        if listing is None:
            return False
        began = time.monotonic()
        try:
            page = self._page(listing)
        except (SourceMissing, SourceRefused, PathNotAllowed) as error:
            log.warning("batch %s cannot be listed: %s %s", listing.id, error.code, error)
            with self._database.begin() as connection:
                batch_sources.fail(connection, listing, error.code)
            return True
        fp("list.before_commit")
        cursor = json.dumps(page.last)
        stored_s = time.monotonic() - began
        reached = Reached(cursor=cursor, seen=page.seen, done=page.done, again_s=page.again_s, stored_s=stored_s)
        with self._database.begin() as connection:
            if not batch_sources.add_page(connection, listing, page.items, reached):
                self._walks.pop(listing.id, None)
        fp("list.after_commit")
        return True

    def _page(self, listing: Listing) -> Page:
        """What comes next, until the page is full, its time is over, or storage is in trouble."""
        page = Page(json.loads(listing.cursor or '""'))
        until = time.monotonic() + self._settings.page_s
        source = self._source(listing)
        walk = self._walk(listing, source, page.last)
        try:
            self._step(listing, source, walk, page)  # one at least, however long it took to begin
            while not self._closed(page, until):
                self._step(listing, source, walk, page)
        except StorageUnavailable as error:
            log.warning("batch %s waits for its source: %s", listing.id, error)
            page.again_s = AGAIN_S
        else:
            self._keep(listing.id, json.dumps(page.last), walk)
        return page

    def _closed(self, page: Page, until: float) -> bool:
        full = page.done or len(page.items) >= self._settings.page
        return full or time.monotonic() >= until or self._stopping.is_set()

    def _step(self, listing: Listing, source: Source, walk: Walk, page: Page) -> None:
        """A few paths more, all of them or, if there is trouble, none."""
        step = min(STEP, self._settings.page - len(page.items))
        found = list(islice(walk, step))
        globs = listing.source.get("glob", ())
        chosen = [(path, kind) for path, kind in found if kind is Kind.CLOSED or wanted(path, globs)]
        known = self._known(listing, [line_name(path) for path, _ in chosen])
        lines = list(self._readers.map(lambda each: self._line(listing, source, known, *each), chosen))
        page.items += [line for line in lines if line is not None]
        page.seen += len(chosen)
        page.last = found[-1][0] if found else page.last
        page.done = len(found) < step

    def _known(self, listing: Listing, names: Sequence[str]) -> Mapping[str, str]:
        if "since" not in listing.source:
            return {}
        with self._database.begin() as connection:
            return batch_sources.digests(connection, listing, names)

    def _line(
        self, listing: Listing, source: Source, known: Mapping[str, str], path: str, kind: Kind
    ) -> NewItem | None:
        """A path's line once its bytes are stored, or with the code it is refused for; None when nothing changed."""
        line = NewItem(custom_id=line_name(path))
        if kind is not Kind.FILE:
            return replace(line, code=PathNotAllowed.code)
        try:
            content = source.read(path, self._limits.max_bytes)
            digest = sha256(content).hexdigest()
            if known.get(line.custom_id) == digest:
                return None
            header = sniff(content, len(content), self._limits)
            key = artifact_key(listing.tenant_id, digest)
            self._storage.put(key, content, MEDIA_TYPES[header.format])
        except (InputError, OutsideError, PathNotAllowed) as error:
            return replace(line, code=error.code)
        return replace(line, ref=key, sha256=digest)

    def _source(self, listing: Listing) -> Source:
        if "folder" in listing.source:
            return Folder(self._settings.roots, listing.source["folder"])
        return Prefix(self._storage, listing.tenant_id, listing.source["prefix"])

    def _walk(self, listing: Listing, source: Source, last: str) -> Walk:
        """The walk that ended the page before, if it was ours; otherwise a new one from there."""
        cursor, walk = self._walks.pop(listing.id, (None, None))
        return walk if walk is not None and cursor == listing.cursor else source.walk(last)

    def _keep(self, batch_id: UUID, cursor: str, walk: Walk) -> None:
        self._walks[batch_id] = cursor, walk
        while len(self._walks) > MOST_WALKS:
            del self._walks[next(iter(self._walks))]
