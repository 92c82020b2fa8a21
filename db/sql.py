"""Small helpers around textual SQL: planned once per connection, many rows in as one JSON parameter, many rows out.

The ledger has a few dozen statements and runs them thousands of times a second; planning them anew each time cost
PostgreSQL more than running them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import sqlalchemy as sa

PREPARED = "scanmill prepared statements"
"""Where a connection remembers the names of what it has prepared."""

_PARAMETER = re.compile(r"(?<!:):([a-z_]\w*)")


def rows(connection: sa.Connection, sql: str, **parameters: object) -> Sequence[sa.Row[Any]]:
    """All rows of a statement."""
    return _execute(connection, sql, parameters).all()


def row(connection: sa.Connection, sql: str, **parameters: object) -> sa.Row[Any] | None:
    """The only row of a statement, if there is one."""
    return _execute(connection, sql, parameters).one_or_none()


def run(connection: sa.Connection, sql: str, **parameters: object) -> int:
    """How many rows a statement changed."""
    return _execute(connection, sql, parameters).rowcount


def records(items: Iterable[Mapping[str, object]]) -> str:
    """Rows as one JSON parameter, for ``jsonb_to_recordset(CAST(:items AS jsonb)) AS i(column type, …)``."""
    return json.dumps(list(items), default=str)


def sha256_of(value: object) -> str:
    """SHA-256 over a JSON value in its one canonical spelling. Raises ValueError for NaN and infinities."""
    spelled = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(spelled.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement with ``:names`` as PostgreSQL keeps it (``PREPARE``) and as it is called (``EXECUTE``)."""

    name: str
    preparation: str
    call: str
    parameters: tuple[str, ...]

    @classmethod
    def of(cls, sql: str) -> Self:
        names = tuple(dict.fromkeys(_PARAMETER.findall(sql)))
        number = {name: place for place, name in enumerate(names, 1)}
        numbered = _PARAMETER.sub(lambda found: f"${number[found[1]]}", sql).replace("%", "%%")
        name = f"s{hashlib.sha256(sql.encode()).hexdigest()[:24]}"
        given = f"({', '.join(['%s'] * len(names))})" if names else ""
        return cls(name, f"PREPARE {name} AS {numbered}", f"EXECUTE {name}{given}", names)


_statement = cache(_Statement.of)


def _execute(connection: sa.Connection, sql: str, parameters: Mapping[str, object]) -> sa.CursorResult[Any]:
    statement = _statement(sql)
    prepared = connection.info.setdefault(PREPARED, set())
    if statement.name not in prepared:
        connection.exec_driver_sql(statement.preparation)
        prepared.add(statement.name)
    return connection.exec_driver_sql(statement.call, tuple(_given(parameters[name]) for name in statement.parameters))


def _given(value: object) -> object:
    """A list as PostgreSQL spells an array: the type is the statement's, where ``ARRAY[…]`` would bring its own."""
    if not isinstance(value, list):
        return value
    quoted = (str(each).replace("\\", "\\\\").replace('"', '\\"') for each in value)
    return "{" + ",".join(f'"{each}"' for each in quoted) + "}"
