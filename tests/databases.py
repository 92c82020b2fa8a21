"""Databases of the tests' PostgreSQL server: created by cloning a template, dropped by force."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from psycopg2 import sql

from cli.embedded import EmbeddedPostgres


@contextmanager
def fresh(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """SQLAlchemy URL of a new database, dropped at the end of the block."""
    name = f"test_{uuid.uuid4().hex}"
    create(postgres, name, template)
    try:
        yield postgres.url(name)
    finally:
        _execute(postgres, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def create(postgres: EmbeddedPostgres, name: str, template: str) -> None:
    """Clone a database; as files, which takes about 20 ms."""
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    _execute(postgres, statement.format(sql.Identifier(name), sql.Identifier(template)))


def _execute(postgres: EmbeddedPostgres, statement: sql.Composed) -> None:
    connection = psycopg2.connect(postgres.url("postgres").replace("postgresql+psycopg2://", "postgresql://"))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()
