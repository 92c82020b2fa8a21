"""Small helpers around textual SQL: many rows in as one JSON parameter, many rows out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa


def rows(connection: sa.Connection, sql: str, **parameters: object) -> Sequence[sa.Row[Any]]:
    """All rows of a statement."""
    return connection.execute(_text(sql), parameters).all()


def row(connection: sa.Connection, sql: str, **parameters: object) -> sa.Row[Any] | None:
    """The only row of a statement, if there is one."""
    return connection.execute(_text(sql), parameters).one_or_none()


def run(connection: sa.Connection, sql: str, **parameters: object) -> int:
    """How many rows a statement changed."""
    return connection.execute(_text(sql), parameters).rowcount


def records(items: Iterable[Mapping[str, object]]) -> str:
    """Rows as one JSON parameter, for ``jsonb_to_recordset(CAST(:items AS jsonb)) AS i(column type, …)``."""
    return json.dumps(list(items), default=str)


def sha256_of(value: object) -> str:
    """SHA-256 over a JSON value in its one canonical spelling. Raises ValueError for NaN and infinities."""
    spelled = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(spelled.encode()).hexdigest()


_statements: dict[str, sa.TextClause] = {}


def _text(sql: str) -> sa.TextClause:
    """Parsed once: the ledger has a few dozen statements and runs them thousands of times a second."""
    statement = _statements.get(sql)
    if statement is None:
        statement = _statements[sql] = sa.text(sql)
    return statement
