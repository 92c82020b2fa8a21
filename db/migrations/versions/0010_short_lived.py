"""an index of the files that live for a time only, made while scans go on; safe to run again after a break."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

NAME = "artifact_short_lived_idx"
WHERE = sa.text("media_type = 'application/vnd.scanmill.debug+json' AND expired_at IS NULL")


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")  # a large table takes its time, and nobody waits for it
        op.execute("SET lock_timeout = 0")
        op.drop_index(NAME, "artifact", if_exists=True, postgresql_concurrently=True)
        op.create_index(NAME, "artifact", ["created_at"], postgresql_where=WHERE, postgresql_concurrently=True)


def downgrade() -> None:
    op.drop_index(NAME, "artifact")
