"""batches: a source that control lists itself, and how far it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("batch", sa.Column("source", JSONB(), nullable=True))
    op.add_column("batch", sa.Column("cursor", sa.Text(), server_default="", nullable=False))
    op.add_column("batch", sa.Column("list_after", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for name in ("list_after", "cursor", "source"):
        op.drop_column("batch", name)
