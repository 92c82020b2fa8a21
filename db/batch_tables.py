"""The tables of batches, many scans from one source, and of the counts of scans by status.

A batch's states::

    open | listing ──► running ──► succeeded | partial | failed | cancelled
                          ▲              │
                          └── retry ─────┘

``open`` takes more items, ``listing`` takes those of its parent or its source, page by page; scans are worked on already.
``paused_at`` holds admission in any of these. The end is written by ``control`` once nothing is under way.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db.base import NOW, Base


class Batch(Base):
    """One source under one pipeline version. ``items`` and ``refused`` count its lines, taken under the row's lock.

    ``failure_budget``: the most scans that may end ``failed``; one more stops the rest. NULL: no limit. Those that had
    failed when lines were retried are ``forgiven``. ``parent`` is the
    batch whose lines this one scans again, ``source`` the folder or prefix in which ``control`` finds its lines. Of both,
    ``listed`` counts the lines that were looked at; of a source, ``cursor`` is the last path seen (as JSON), and
    ``list_after`` when the next page is due. ``training`` is the word on training of lines without one of their own.
    """

    __tablename__ = "batch"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "idempotency_key"),
        sa.Index("batch_tenant_created_idx", "tenant_id", sa.text("created_at DESC"), sa.text("id DESC")),
        sa.Index("batch_open_idx", "tenant_id", postgresql_where=sa.text("finished_at IS NULL")),
    )
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.text("uuidv7()"))
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id", ondelete="CASCADE"))
    pipeline_id: Mapped[int] = mapped_column(sa.ForeignKey("pipeline.id"))
    parent: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("batch.id", ondelete="SET NULL"), index=True)
    listed: Mapped[int] = mapped_column(server_default="0")
    idempotency_key: Mapped[str | None]
    name: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="open")
    code: Mapped[str | None]
    priority: Mapped[int] = mapped_column(server_default="0")
    failure_budget: Mapped[int | None]
    forgiven: Mapped[int] = mapped_column(server_default="0")
    options: Mapped[dict[str, Any]]
    training: Mapped[bool | None]
    training_by: Mapped[str | None]
    source: Mapped[dict[str, Any] | None] = mapped_column(JSONB())
    cursor: Mapped[str] = mapped_column(server_default="")
    list_after: Mapped[datetime | None]
    items: Mapped[int] = mapped_column(server_default="0")
    refused: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    finalised_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class BatchItem(Base):
    """One line of a batch, numbered from 1 in the order of arrival, and the newest scan that stands for it.

    A line that cannot be scanned has a ``code`` and no scan. ``fields`` are the client's own and come back with results.
    """

    __tablename__ = "batch_item"
    __table_args__ = (
        sa.UniqueConstraint("batch_id", "custom_id"),
        sa.Index("batch_item_scan_idx", "scan_id", unique=True, postgresql_where=sa.text("scan_id IS NOT NULL")),
        sa.Index("batch_item_code_idx", "batch_id", "code", "n", postgresql_where=sa.text("code IS NOT NULL")),
    )
    batch_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("batch.id", ondelete="CASCADE"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    custom_id: Mapped[str]
    fields: Mapped[dict[str, Any] | None] = mapped_column(JSONB())
    scan_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("scan.id", ondelete="SET NULL"))
    code: Mapped[str | None]


class CountDelta(Base):
    """A scan's change of status, as +1 and −1; ``control`` folds them, so no row is hot."""

    __tablename__ = "count_delta"
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    tenant_id: Mapped[uuid.UUID]
    batch_id: Mapped[uuid.UUID | None]
    status: Mapped[str]
    delta: Mapped[int]


class ScanCount(Base):
    """Folded counts of scans per tenant, batch and status; add the unfolded deltas for the exact figure."""

    __tablename__ = "scan_count"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "batch_id", "status", postgresql_nulls_not_distinct=True),
        sa.Index("scan_count_batch_idx", "batch_id", postgresql_where=sa.text("batch_id IS NOT NULL")),
    )
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    tenant_id: Mapped[uuid.UUID]
    batch_id: Mapped[uuid.UUID | None]
    status: Mapped[str]
    n: Mapped[int]
