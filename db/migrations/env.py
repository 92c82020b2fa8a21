"""How Alembic reaches the ledger: one advisory lock, short waits, the models as the target."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import context

from db import (
    artifact_tables,
    batch_tables,
    consent_tables,
    drift_tables,
    model_tables,
    models,
    ticket_tables,
    training_tables,
    webhook_tables,
)
from db.session import Database
from db.settings import DatabaseSettings

MIGRATION_LOCK = 0x5CA17111
"""Two migrators wait for each other instead of racing."""

TABLES = (
    models.Tenant,
    artifact_tables.Artifact,
    model_tables.ModelVersion,
    training_tables.TrainingRun,
    batch_tables.Batch,
    ticket_tables.Ticket,
    consent_tables.Deletion,
    webhook_tables.Webhook,
    drift_tables.DriftDay,
)
"""One of each file of tables, so that all of them are known; they share their metadata."""


def run() -> None:
    """Apply what is missing, one migrator at a time."""
    given: sa.Engine | None = context.config.attributes.get("engine")
    engine = given or Database(DatabaseSettings()).engine
    with engine.connect() as connection:
        connection.execute(sa.text("SET statement_timeout = '60s'"))
        connection.execute(sa.text("SET lock_timeout = '10s'"))
        while not connection.scalar(sa.text("SELECT pg_try_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK}):
            connection.rollback()  # a transaction that waited here would hold up an index that the other one makes
            time.sleep(0.2)
        connection.commit()
        context.configure(connection=connection, target_metadata=TABLES[0].metadata, compare_server_default=False)
        with context.begin_transaction():
            context.run_migrations()
        connection.execute(sa.text("SELECT pg_advisory_unlock(:lock)"), {"lock": MIGRATION_LOCK})
        connection.commit()


run()
