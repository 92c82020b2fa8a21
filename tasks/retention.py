"""Removing what was to live for a time only, and what belonged to deleted scans only."""

from __future__ import annotations

from db import erasure, retention, tickets
from db.session import Database
from storage import Storage
from storage.keys import artifact_key

PAGE = 50
UNUSED_S = 86_400.0
"""Life of an announced scan whose picture does not come."""


def turn(database: Database, storage: Storage, lifetime_s: float) -> bool:
    """Remove a page of what is over; whether there may be more."""
    with database.begin() as connection:
        tickets.forget(connection, UNUSED_S)
    erased = erase(database, storage)
    return sweep(database, storage, lifetime_s) == PAGE or erased


def erase(database: Database, storage: Storage) -> bool:
    """Remove a page of what deletions left to nobody; whether there may be more. After a break it goes on here."""
    with database.begin() as connection:
        looked_at = erasure.condemn(connection, PAGE)
    with database.begin() as connection:
        files = erasure.take(connection, PAGE)
        for file in files:
            storage.delete(artifact_key(file.tenant_id, file.sha256))
        erasure.removed(connection, files)
        erasure.forget(connection)
    return PAGE in (looked_at, len(files))


def sweep(database: Database, storage: Storage, lifetime_s: float) -> int:
    """Remove one page of files whose time is over. The file goes first: after a break it is removed again."""
    with database.begin() as connection:
        files = retention.over(connection, lifetime_s, PAGE)
        for file in files:
            storage.delete(artifact_key(file.tenant_id, file.sha256))
        if files:
            retention.gone(connection, files)
    return len(files)
