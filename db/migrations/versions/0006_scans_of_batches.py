"""indexes to admit, cancel, retry and time the scans of a batch, made while scans go on; safe to run again after a break."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

WAITING = sa.text("admitted_at IS NULL")
ENDED = sa.text("batch_id IS NOT NULL AND finished_at IS NOT NULL")
INDEXES = (
    ("scan_waiting_batch_idx", ["tenant_id", "batch_id", "created_at"], WAITING),
    ("scan_batch_open_idx", ["batch_id", "admitted_at"], sa.text("batch_id IS NOT NULL AND finished_at IS NULL")),
    ("scan_batch_ended_idx", ["batch_id", "status", "finished_at"], ENDED),
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")  # a large table takes its time, and nobody waits for it
        op.execute("SET lock_timeout = 0")
        for name, columns, where in INDEXES:
            # One that a break left behind is invalid.
            op.drop_index(name, "scan", if_exists=True, postgresql_concurrently=True)
            op.create_index(name, "scan", columns, postgresql_where=where, postgresql_concurrently=True)
        op.drop_index("scan_waiting_idx", "scan", if_exists=True, postgresql_concurrently=True)


def downgrade() -> None:
    op.create_index("scan_waiting_idx", "scan", ["tenant_id", "created_at"], postgresql_where=WAITING)
    for name, _, _ in INDEXES:
        op.drop_index(name, "scan")
