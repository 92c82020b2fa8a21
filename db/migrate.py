"""Bring a database to the newest schema, or say how far it is."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from db.session import Database

MIGRATIONS = Path(__file__).parent / "migrations"


def configuration(engine: sa.Engine | None = None) -> Config:
    """Alembic's configuration without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = engine
    return config


def upgrade(database: Database) -> None:
    """Apply every migration that is missing. Safe to call from several processes at once."""
    command.upgrade(configuration(database.engine), "head")


def pending(database: Database) -> bool:
    """Whether the database is behind, or ahead of, this code."""
    with database.begin() as connection:
        there = MigrationContext.configure(connection).get_current_revision()
    return there != ScriptDirectory.from_config(configuration()).get_current_head()


def check(database: Database) -> None:
    """Raise when the models and the migrations differ."""
    command.check(configuration(database.engine))
