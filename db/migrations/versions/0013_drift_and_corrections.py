"""what was counted of days, alerts of drift, corrections; and an index of ends, made while scans go on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ENDED = "scan_tenant_ended_idx"
TIME = sa.DateTime(timezone=True)
NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")  # a large table takes its time, and nobody waits for it
        op.execute("SET lock_timeout = 0")
        op.drop_index(ENDED, "scan", if_exists=True, postgresql_concurrently=True)
        where = sa.text("finished_at IS NOT NULL")
        columns = ["tenant_id", "finished_at", "id"]
        op.create_index(ENDED, "scan", columns, postgresql_where=where, postgresql_concurrently=True)
    op.create_table(
        "drift_fold",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        of_tenant("drift_fold"),
        sa.PrimaryKeyConstraint("tenant_id", name="drift_fold_pkey"),
    )
    op.create_table(
        "drift_day",
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("scans", sa.BigInteger(), nullable=False),
        *(sa.Column(name, JSONB(), nullable=False) for name in ("counts", "review", "examples")),
        of_tenant("drift_day"),
        sa.PrimaryKeyConstraint("tenant_id", "system", "day", "source", name="drift_day_pkey"),
    )
    op.create_index("drift_day_day_idx", "drift_day", ["day"])
    make_alerts()
    make_corrections()


def of_tenant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=f"{table}_tenant_id_fkey", ondelete="CASCADE")


def an_id() -> sa.Column[object]:
    return sa.Column("id", sa.UUID(), server_default=sa.text("uuidv7()"), nullable=False)


def make_alerts() -> None:
    op.create_table(
        "drift_alert",
        an_id(),
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("system", "source", "kind", "measure")),
        sa.Column("found", JSONB(), nullable=False),
        *(
            sa.Column(name, sa.Date(), nullable=False)
            for name in ("reference_since", "reference_until", "since", "until")
        ),
        sa.Column("opened_at", TIME, server_default=NOW, nullable=False),
        sa.Column("closed_at", TIME, nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        of_tenant("drift_alert"),
        sa.PrimaryKeyConstraint("id", name="drift_alert_pkey"),
    )
    columns, still_open = ["tenant_id", "system", "source", "measure"], sa.text("closed_at IS NULL")
    op.create_index("drift_alert_open_key", "drift_alert", columns, unique=True, postgresql_where=still_open)
    op.create_index("drift_alert_tenant_idx", "drift_alert", ["tenant_id", "id"])


def make_corrections() -> None:
    op.create_table(
        "correction",
        an_id(),
        sa.Column("tenant_id", sa.UUID(), nullable=False),
        sa.Column("scan_id", sa.UUID(), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        of_tenant("correction"),
        sa.ForeignKeyConstraint(["scan_id"], ["scan.id"], name="correction_scan_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="correction_pkey"),
    )
    op.create_index("correction_tenant_idx", "correction", ["tenant_id", "id"])
    op.create_index("correction_scan_id_idx", "correction", ["scan_id"])


def downgrade() -> None:
    for table in ("correction", "drift_alert", "drift_day", "drift_fold"):
        op.drop_table(table)
    op.drop_index(ENDED, "scan")
