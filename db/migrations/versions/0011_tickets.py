"""announced scans: an id that a client was given before it sent the picture."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ticket",
        sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("scan_id", sa.UUID(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="ticket_tenant_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["scan_id"], ["scan.id"], name="ticket_scan_id_fkey", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="ticket_pkey"),
    )
    op.create_index("ticket_scan_id_idx", "ticket", ["scan_id"])
    op.create_index("ticket_unused_idx", "ticket", ["created_at"], postgresql_where=sa.text("scan_id IS NULL"))


def downgrade() -> None:
    op.drop_table("ticket")
