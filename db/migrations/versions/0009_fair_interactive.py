"""indexes to let interactive scans in tenant by tenant, and to find what did not succeed among a million scans."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

OPEN = "admitted_at IS NOT NULL AND finished_at IS NULL"
INDEXES: tuple[tuple[str, str, list[str | sa.TextClause], str], ...] = (
    ("scan_waiting_bulk_idx", "scan", ["tenant_id", "batch_id", "created_at"], "lane = 1 AND admitted_at IS NULL"),
    ("scan_waiting_interactive_idx", "scan", ["tenant_id", "created_at"], "lane = 0 AND admitted_at IS NULL"),
    ("scan_under_way_idx", "scan", ["tenant_id", "lane"], OPEN),
    (
        "scan_tenant_status_idx",
        "scan",
        ["tenant_id", "status", sa.text("created_at DESC"), sa.text("id DESC")],
        "status <> 'succeeded'",
    ),
    ("scan_batch_code_idx", "scan", ["batch_id", "code", "status"], "batch_id IS NOT NULL AND code IS NOT NULL"),
    ("batch_item_code_idx", "batch_item", ["batch_id", "code", "n"], "code IS NOT NULL"),
)
BEFORE = (
    ("scan_waiting_batch_idx", ["tenant_id", "batch_id", "created_at"], "admitted_at IS NULL"),
    ("scan_window_idx", ["tenant_id"], f"lane = 1 AND {OPEN}"),
)
"""What the first three take the place of."""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")  # a large table takes its time, and nobody waits for it
        op.execute("SET lock_timeout = 0")
        for name, table, columns, where in INDEXES:
            # One that a break left behind is invalid.
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
            op.create_index(name, table, columns, postgresql_where=sa.text(where), postgresql_concurrently=True)
        for name, _, _ in BEFORE:
            op.drop_index(name, "scan", if_exists=True, postgresql_concurrently=True)


def downgrade() -> None:
    for name, columns, where in BEFORE:
        op.create_index(name, "scan", columns, postgresql_where=sa.text(where))
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table)
