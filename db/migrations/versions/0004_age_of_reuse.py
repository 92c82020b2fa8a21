"""how old an answer may be that a stage takes instead of a new one, and when each answer was computed again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stage", sa.Column("reuse_for_s", sa.Float(), nullable=True))
    op.add_column("result", sa.Column("computed_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("result", "computed_at")
    op.drop_column("stage", "reuse_for_s")
