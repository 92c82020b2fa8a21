"""assets: what a scan's picture shows and when it was taken, so that its scores make a history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

INDEX = "scan_asset_idx"


def upgrade() -> None:
    op.add_column("scan", sa.Column("asset_id", sa.Text(), nullable=True))
    op.add_column("scan", sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True))
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")  # a large table takes its time, and nobody waits for it
        op.execute("SET lock_timeout = 0")
        op.drop_index(INDEX, "scan", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            INDEX,
            "scan",
            ["tenant_id", "asset_id", sa.text("coalesce(taken_at, created_at) DESC"), sa.text("id DESC")],
            postgresql_where=sa.text("asset_id IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    op.drop_index(INDEX, "scan")
    op.drop_column("scan", "taken_at")
    op.drop_column("scan", "asset_id")
