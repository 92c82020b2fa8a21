"""Model versions between rows, storage and the model room: how one comes in, and how a worker gets at it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from db import model_versions
from db.model_versions import NewVersion, VersionRow
from db.session import Database
from pipeline.errors import (
    GoldensNotReproduced,
    InputCorrupt,
    InputMissing,
    ModelLoadError,
    ModelUnavailable,
    VersionTaken,
)
from pipeline.models import goldens as golden_records
from pipeline.models.input_spec import ManifestError
from pipeline.models.manifest import ModelEntry, entry_of
from storage import Storage
from storage.keys import model_key

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/octet-stream"


class RegisteredModels:
    """The versions of the database, their files from storage: a ``pipeline.models.source.ModelSource``."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self._database = database
        self._storage = storage

    def entry(self, name: str, digest: str) -> ModelEntry | None:
        with self._database.begin() as connection:
            found = model_versions.find(connection, name, digest)
        return None if found is None or found.stored_at is None else read_entry(found)

    def content(self, entry: ModelEntry) -> bytes:
        try:
            return self._storage.get(model_key(entry.sha256), entry.sha256)
        except InputMissing as error:
            raise ModelUnavailable(f"{entry.name}: storage has no {error}") from error
        except InputCorrupt as error:
            raise ModelLoadError(f"{entry.name}: {error}") from error

    def mark(self) -> object:
        with self._database.begin() as connection:
            return model_versions.mark(connection)


def read_entry(version: VersionRow) -> ModelEntry | None:
    """The entry of a row; None when this code does not understand all of it, and so would compute something else."""
    try:
        entry = entry_of(version.entry, version.pack)
    except ManifestError as error:
        log.warning("model version %s %s is not understood here: %s", version.name, version.version, error)
        return None
    return entry if (entry.name, entry.digest) == (version.name, version.digest) else None


def register(
    database: Database, storage: Storage, entry: ModelEntry, content: bytes, goldens: Mapping[str, Any] | None
) -> VersionRow:
    """Store a version's file under its digest, then its row. Doing it again changes nothing but the goldens.

    ``goldens`` is its golden record (``pipeline.models.goldens``); without one it cannot be promoted. Raises
    ModelLoadError (other bytes than the entry's), GoldensNotReproduced (of another version), VersionTaken.
    """
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise ModelLoadError(f"{entry.name} {entry.version}: these {len(content)} bytes are not the entry's file")
    new = new_version(entry, len(content), goldens)
    with database.begin() as connection:
        same_name = model_versions.listing(connection, entry.name)
    if any(each.version == entry.version and each.digest != entry.digest for each in same_name):
        raise VersionTaken(f"{entry.name} {entry.version}")
    storage.put(model_key(entry.sha256), content, MEDIA_TYPE)
    with database.begin() as connection:
        model_versions.add(connection, new)
        model_versions.stored(connection, entry.sha256, len(content))
        row = model_versions.find(connection, entry.name, entry.digest)
    assert row is not None
    return row


def new_version(entry: ModelEntry, size: int, goldens: Mapping[str, Any] | None) -> NewVersion:
    """The row to be of an entry. Raises GoldensNotReproduced for goldens of another version."""
    if goldens is not None:
        golden_records.check_record(goldens, entry)
    return NewVersion(
        name=entry.name,
        version=entry.version,
        digest=entry.digest,
        pack=entry.pack,
        sha256=entry.sha256,
        size=size,
        entry=entry.table,
        goldens=goldens,
        card=_card(entry),
    )


def _card(entry: ModelEntry) -> str | None:
    """What its pack says of it for people; None without a pack or a card. A card outside the pack's folder is none."""
    if entry.folder is None or not entry.card:
        return None
    file = (entry.folder / entry.card).resolve()
    inside = file.is_relative_to(entry.folder.resolve()) and file.is_file()
    return file.read_text(encoding="utf-8") if inside else None


class PackRoom(Protocol):
    """What is asked of the model room about the packs on this disk."""

    def entries(self) -> list[ModelEntry]: ...
    def on_disk(self, entry: ModelEntry) -> bytes | None: ...


def add_packs(database: Database, entries: Iterable[ModelEntry]) -> None:
    """Rows for the packs' entries, so that every host learns of them. Their files follow (``store_packs``)."""
    news = [
        new_version(entry, 0, _pack_goldens(entry))
        for entry in sorted(entries, key=lambda entry: (entry.name, entry.digest))
    ]
    with database.begin() as connection:
        for new in news:
            model_versions.add(connection, new)


def store_packs(database: Database, storage: Storage, room: PackRoom) -> int:
    """Put files of packs that storage lacks there, so that hosts with other packs can finish what was pinned to these.

    Returns how many rows got their file. A file that is not on this disk, or not what its manifest says, is left to
    others.
    """
    with database.begin() as connection:
        lacking = {(each.name, each.digest) for each in model_versions.without_file(connection)}
    here = [entry for entry in room.entries() if (entry.name, entry.digest) in lacking]
    for entry in here:
        content = room.on_disk(entry)
        if content is not None:
            storage.put(model_key(entry.sha256), content, MEDIA_TYPE)
            with database.begin() as connection:
                model_versions.stored(connection, entry.sha256, len(content))
    return len(here)


def _pack_goldens(entry: ModelEntry) -> Mapping[str, Any] | None:
    """The record beside the pack's manifest, if it is of this very version."""
    if entry.folder is None:
        return None
    try:
        found: Mapping[str, Any] | None = golden_records.read(entry.folder).get(entry.name)
        if found is not None:
            golden_records.check_record(found, entry)
    except GoldensNotReproduced as error:
        log.warning("%s", error)
        return None
    return found
