"""What must be true before the server may start."""

from __future__ import annotations

import logging

from api.settings import ApiSettings
from db import tenants
from db.session import Database
from pipeline.errors import StorageUnavailable

log = logging.getLogger("scanmill.api")


class StartRefused(RuntimeError):
    """The server must not start like this; the message says what to do."""


def check_start(settings: ApiSettings, database: Database) -> None:
    """Raise StartRefused for a server that nobody could use, or everybody.

    A database that is away is no reason: nobody is let in without it, and it may come back.
    """
    if settings.open:
        log.warning("open: every program on this machine may use the service without a key")
        return
    try:
        with database.begin() as connection:
            found = tenants.any_key(connection)
    except StorageUnavailable:
        log.warning("the database is away; starting all the same")
        return
    if not found:
        raise StartRefused(
            "There is no API key yet, so nobody could use this server. Make one with `scanmill keys create`, "
            "or serve this machine alone without keys with SCANMILL_API_OPEN=true."
        )
