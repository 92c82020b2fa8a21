"""Short questions to the database: what its server says of itself, and whether there is anything to work with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from db.sql import row


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """Version as a number (180004), the server's clock, and how many connections it allows, keeps back and has."""

    version: int
    now: datetime
    max_connections: int
    reserved_connections: int
    connections: int


def server_facts(connection: sa.Connection) -> ServerFacts:
    """Ask the server; one short query."""
    found = row(
        connection,
        """SELECT current_setting('server_version_num')::int AS version, clock_timestamp() AS now,
                  current_setting('max_connections')::int AS most,
                  current_setting('superuser_reserved_connections')::int
                      + current_setting('reserved_connections')::int AS reserved,
                  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS here""",
    )
    assert found is not None
    return ServerFacts(found.version, found.now, found.most, found.reserved, found.here)


def models_at_hand(connection: sa.Connection) -> bool:
    """Whether a pipeline is published and a worker that beats its heart is there to run it."""
    found = row(
        connection,
        """SELECT EXISTS (SELECT FROM current_pipeline)
              AND EXISTS (SELECT FROM worker WHERE seen_at > clock_timestamp() - interval '1 minute') AS so""",
    )
    assert found is not None
    return bool(found.so)
