"""consent to training, and deletion: whose word it was and when, what was deleted, and which bytes are to be removed.

The index by the input's SHA-256 is made while scans go on; all of this is safe to run again after a break.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

NOW = sa.text("clock_timestamp()")
NAME = "scan_input_idx"


def upgrade() -> None:
    _add("tenant", sa.Column("training", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    for table in ("tenant", "scan"):
        _add(table, sa.Column("training_at", sa.DateTime(timezone=True), nullable=True))
    for table in ("scan", "batch"):
        _add(table, sa.Column("training", sa.Boolean(), nullable=True))
    for table in ("tenant", "scan", "batch"):
        _add(table, sa.Column("training_by", sa.Text(), nullable=True))
    _tables()
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")  # a large table takes its time, and nobody waits for it
        op.execute("SET lock_timeout = 0")
        op.drop_index(NAME, "scan", if_exists=True, postgresql_concurrently=True)
        op.create_index(NAME, "scan", ["input_sha256"], postgresql_using="hash", postgresql_concurrently=True)


def _add(table: str, column: sa.Column[object]) -> None:
    op.add_column(table, column, if_not_exists=True)


def _tables() -> None:
    op.create_table(
        "consent_past",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("scan_id", sa.UUID(), nullable=True),
        sa.Column("training", sa.Boolean(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("said_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="consent_past_tenant_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="consent_past_pkey"),
        if_not_exists=True,
    )
    op.create_table(
        "deletion",
        sa.Column("scan_id", sa.UUID(), nullable=False),
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("pipeline_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.UUID(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("deleted_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="deletion_tenant_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["pipeline_id"], ["pipeline.id"], name="deletion_pipeline_id_fkey"),
        sa.PrimaryKeyConstraint("scan_id", name="deletion_pkey"),
        if_not_exists=True,
    )
    op.create_index("deletion_tenant_created_idx", "deletion", ["tenant_id", "created_at"], if_not_exists=True)
    op.create_table(
        "erasure",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("condemned", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="erasure_tenant_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tenant_id", "sha256", name="erasure_pkey"),
        if_not_exists=True,
    )
    asked = sa.text("asked_at IS NOT NULL")
    op.create_index("erasure_asked_idx", "erasure", ["asked_at"], postgresql_where=asked, if_not_exists=True)
    op.create_index("erasure_removed_at_idx", "erasure", ["removed_at"], if_not_exists=True)


def downgrade() -> None:
    op.drop_index(NAME, "scan")
    for table in ("erasure", "deletion", "consent_past"):
        op.drop_table(table)
    for table in ("tenant", "scan"):
        op.drop_column(table, "training_at")
    for table in ("tenant", "scan", "batch"):
        op.drop_column(table, "training")
        op.drop_column(table, "training_by")
