"""The migrations make exactly the tables that the models describe, in one line, each with its reason."""

from __future__ import annotations

from alembic.script import ScriptDirectory
from pydantic import SecretStr

from db import migrate
from db.session import Database
from db.settings import DatabaseSettings


def test_models_and_migrations_agree(database: Database) -> None:
    migrate.check(database)


def test_an_empty_database_is_behind_and_then_is_not(empty_database_url: str) -> None:
    database = Database(DatabaseSettings(database_url=SecretStr(empty_database_url)))
    try:
        assert migrate.pending(database)
        migrate.upgrade(database)
        migrate.upgrade(database)
        assert not migrate.pending(database)
    finally:
        database.dispose()


def test_there_is_one_line_of_migrations_and_each_says_why() -> None:
    scripts = ScriptDirectory.from_config(migrate.configuration())
    assert len(scripts.get_heads()) == 1
    for script in scripts.walk_revisions():
        assert len(script.doc) >= 10
