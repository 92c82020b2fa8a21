"""Tenants and keys, for the verbs that hold the database's address and need no key of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from db import tenants
from db.session import Database
from db.settings import DatabaseSettings

ALL_SCOPES = frozenset({"scans:read", "scans:write", "admin"})


@contextmanager
def ledger() -> Iterator[Database]:
    """The ledger of SCANMILL_DATABASE_URL, closed at the end of the block. Raises pydantic's error when it is not set."""
    database = Database(DatabaseSettings())
    try:
        yield database
    finally:
        database.dispose()


def open_database(url: str) -> Database:
    """The ledger at `url` with a pool small enough for a command line."""
    return Database(DatabaseSettings(database_url=SecretStr(url), db_pool_size=2))


def key_for_tenant(url: str, tenant: str, kept: Path) -> str:
    """The token kept in the private file `kept` if it still opens the door, else a new one, which is kept there."""
    database = open_database(url)
    try:
        with database.begin() as connection:
            if kept.exists():
                token = kept.read_text().strip()
                if tenants.authenticate(connection, token) is not None:
                    return token
            tenant_id = tenants.create_tenant(connection, tenant)
            _, token = tenants.create_key(connection, tenant_id, f"{tenant} on this machine", ALL_SCOPES)
    finally:
        database.dispose()
    kept.unlink(missing_ok=True)
    with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token)
    return token
