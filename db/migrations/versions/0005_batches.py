"""batches: many scans from one source, and their numbered lines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    op.create_table(
        "batch",
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("pipeline_id", sa.BigInteger(), nullable=False),
        sa.Column("parent", sa.UUID(), nullable=True),
        sa.Column("listed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("priority", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failure_budget", sa.BigInteger(), nullable=True),
        sa.Column("forgiven", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("options", JSONB(), nullable=False),
        sa.Column("items", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refused", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("finalised_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["parent"], ["batch.id"], name=op.f("batch_parent_fkey"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["pipeline_id"], ["pipeline.id"], name=op.f("batch_pipeline_id_fkey")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("batch_tenant_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("batch_pkey")),
        sa.UniqueConstraint("tenant_id", "idempotency_key", name=op.f("batch_tenant_id_idempotency_key_key")),
    )
    op.create_index(
        "batch_tenant_created_idx",
        "batch",
        ["tenant_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
    )
    op.create_index("batch_open_idx", "batch", ["tenant_id"], postgresql_where=sa.text("finished_at IS NULL"))
    op.create_index(op.f("batch_parent_idx"), "batch", ["parent"])
    op.create_table(
        "batch_item",
        sa.Column("batch_id", sa.UUID(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("custom_id", sa.Text(), nullable=False),
        sa.Column("fields", JSONB(), nullable=True),
        sa.Column("scan_id", sa.UUID(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("batch_item_batch_id_fkey"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["scan_id"], ["scan.id"], name=op.f("batch_item_scan_id_fkey"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("batch_id", "n", name=op.f("batch_item_pkey")),
        sa.UniqueConstraint("batch_id", "custom_id", name=op.f("batch_item_batch_id_custom_id_key")),
    )
    op.create_index(
        "batch_item_scan_idx",
        "batch_item",
        ["scan_id"],
        unique=True,
        postgresql_where=sa.text("scan_id IS NOT NULL"),
    )
    op.create_index(
        "scan_count_batch_idx", "scan_count", ["batch_id"], postgresql_where=sa.text("batch_id IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("scan_count_batch_idx", "scan_count")
    op.drop_table("batch_item")
    op.drop_table("batch")
