"""model versions and their promotions, so that every host has them and scans keep the ones they pinned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    op.create_table(
        "model_version",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("pack", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("entry", sa.JSON(), nullable=False),
        sa.Column("goldens", sa.JSON(), nullable=True),
        sa.Column("state", sa.Text(), server_default="registered", nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("model_version_pkey")),
        sa.UniqueConstraint("name", "digest", name=op.f("model_version_name_digest_key")),
    )
    op.create_index(op.f("model_version_sha256_idx"), "model_version", ["sha256"], unique=False)
    op.create_table(
        "model_request",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("relabel", sa.Boolean(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="asked", nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("model_request_pkey")),
    )
    op.create_index(op.f("model_request_name_idx"), "model_request", ["name"], unique=False)
    op.create_index(
        "model_request_open_idx",
        "model_request",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'asked'"),
    )
    op.create_table(
        "model_promotion",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=True),
        sa.Column("request_id", sa.BigInteger(), nullable=False),
        sa.Column("promoted_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["model_request.id"], name=op.f("model_promotion_request_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("model_promotion_pkey")),
        sa.UniqueConstraint("request_id", name=op.f("model_promotion_request_id_key")),
    )
    op.create_index(
        "model_promotion_name_id_idx", "model_promotion", ["name", sa.literal_column("id DESC")], unique=False
    )


def downgrade() -> None:
    op.drop_table("model_promotion")
    op.drop_table("model_request")
    op.drop_table("model_version")
