"""Connections: one pool per process, short transactions, every wait bounded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from db.settings import DatabaseSettings
from pipeline.errors import StorageUnavailable

Connection: TypeAlias = sa.Connection
"""A transaction's connection, for rooms that pass one on."""

CONNECT_TIMEOUT_S = 5
LOCK_TIMEOUT_MS = 3_000
PLANS = " ".join(
    f"-c {setting}"
    for setting in (
        "plan_cache_mode=force_generic_plan",
        "enable_seqscan=off",
        "enable_hashjoin=off",
        "enable_mergejoin=off",
    )
)
"""Every statement of the ledger touches few rows, each by an index. A plan is kept for as long as its connection, and
one that was made while a table was small would read all of it when it is large."""


class Database:
    """The ledger's door. ``begin`` gives a connection inside a transaction that commits at the end of the block."""

    def __init__(self, settings: DatabaseSettings, *, ask_first: bool = True) -> None:
        """Make the pool; nothing connects yet.

        ``ask_first``: try a pooled connection before each use. Without, a round trip is saved, and the first use after
        a lost connection raises StorageUnavailable: for callers that come again anyway.
        """
        options = f"-c statement_timeout={settings.db_statement_timeout_ms} -c lock_timeout={LOCK_TIMEOUT_MS} {PLANS}"
        self.engine = sa.create_engine(
            settings.database_url.get_secret_value(),
            pool_size=settings.db_pool_size,
            max_overflow=0,
            pool_timeout=2,
            pool_pre_ping=ask_first,
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_S,
                "options": options,
                "keepalives_idle": 10,
                "keepalives_interval": 3,
                "keepalives_count": 3,
                "application_name": "scanmill",
            },
        )

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """One transaction. Raises StorageUnavailable when the database is away or a wait ran out."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise StorageUnavailable(str(error)) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise StorageUnavailable(str(error)) from error
            raise

    def dispose(self) -> None:
        """Close the pool's connections; a forked child calls ``forget`` instead."""
        self.engine.dispose()

    def forget(self) -> None:
        """Drop connections that a fork inherited without closing the parent's sockets."""
        self.engine.dispose(close=False)
