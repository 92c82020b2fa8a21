"""a model version brings its card along: hosts without its pack, the API first of all, can show it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("model_version", sa.Column("card", sa.Text()))


def downgrade() -> None:
    op.drop_column("model_version", "card")
