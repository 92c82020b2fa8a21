"""Removing what was to live for a time only."""

from __future__ import annotations

import logging
import threading

from db import retention, tickets
from db.session import Database
from pipeline.errors import ScanmillError
from storage import Storage
from storage.keys import artifact_key

log = logging.getLogger(__name__)

EVERY_S = 60.0
PAGE = 50
UNUSED_S = 86_400.0
"""Life of an announced scan whose picture does not come."""


def sweep(database: Database, storage: Storage, lifetime_s: float) -> int:
    """Remove one page of files whose time is over. The file goes first: after a break it is removed again."""
    with database.begin() as connection:
        files = retention.over(connection, lifetime_s, PAGE)
        for file in files:
            storage.delete(artifact_key(file.tenant_id, file.sha256))
        if files:
            retention.gone(connection, files)
    return len(files)


def forget_tickets(database: Database) -> None:
    """Announced scans whose picture never came."""
    with database.begin() as connection:
        tickets.forget(connection, UNUSED_S)


def keep_sweeping(database: Database, storage: Storage, lifetime_s: float, stopping: threading.Event) -> None:
    """Until control stops. Nothing that goes wrong here ends it."""
    while not stopping.is_set():
        try:
            while sweep(database, storage, lifetime_s) == PAGE and not stopping.is_set():
                pass
            forget_tickets(database)
        except ScanmillError as error:
            log.warning("cannot remove files whose time is over: %s", error.code)
        except Exception:
            log.exception("removing files whose time is over failed")
        stopping.wait(EVERY_S)
