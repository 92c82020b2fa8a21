"""training as a durable job: what was asked for, its lease, its progress, and the recipes that trainers know."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NOW = sa.text("clock_timestamp()")
TIME = sa.DateTime(timezone=True)
OPEN = sa.text("state IN ('queued', 'interrupted')")


def upgrade() -> None:
    op.create_table(
        "training_recipe",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("seen_at", TIME, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("training_recipe_pkey")),
    )
    op.create_table(
        "training_run",
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("resumed_from", sa.UUID(), nullable=True),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("charged", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("token", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("owner", sa.UUID(), nullable=True),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("progress", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("checkpoint", sa.Text(), nullable=True),
        sa.Column("files", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("versions", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("cancel_requested_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant.id"], name=op.f("training_run_tenant_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["resumed_from"], ["training_run.id"], name=op.f("training_run_resumed_from_fkey"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("training_run_pkey")),
        sa.UniqueConstraint("tenant_id", "idempotency_key", name=op.f("training_run_tenant_id_idempotency_key_key")),
    )
    op.create_index("training_run_tenant_idx", "training_run", ["tenant_id", sa.literal_column("id DESC")])
    op.create_index("training_run_open_idx", "training_run", ["id"], postgresql_where=OPEN)
    for column in ("lease_until", "owner"):
        op.create_index(
            f"training_run_{column.removesuffix('_until')}_idx",
            "training_run",
            [column],
            postgresql_where=sa.text("state = 'running'"),
        )
    for column, name in (("resumed_from", "resumed"), ("checkpoint", "checkpoint")):
        op.create_index(
            f"training_run_{name}_idx", "training_run", [column], postgresql_where=sa.text(f"{column} IS NOT NULL")
        )


def downgrade() -> None:
    op.drop_table("training_run")
    op.drop_table("training_recipe")
