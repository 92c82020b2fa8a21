"""The tables of what was said of training before, of what was deleted, and of bytes that are to be removed."""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.base import NOW, Base


class ConsentPast(Base):
    """A word on training that another one replaced, or whose scan was deleted; ``scan_id`` NULL: the tenant's own.

    The newest word stands with its scan or tenant (``training``, ``training_at``, ``training_by``). No foreign key to the
    scan: that somebody had agreed is to be shown after a deletion, too.
    """

    __tablename__ = "consent_past"
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id", ondelete="CASCADE"))
    scan_id: Mapped[uuid.UUID | None]
    training: Mapped[bool]
    said_at: Mapped[datetime]
    said_by: Mapped[str]


class Deletion(Base):
    """A scan that was deleted: that there was one and how it had ended (``status``), never what it showed."""

    __tablename__ = "deletion"
    __table_args__ = (sa.Index("deletion_tenant_created_idx", "tenant_id", "created_at"),)
    scan_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id", ondelete="CASCADE"))
    pipeline_id: Mapped[int] = mapped_column(sa.ForeignKey("pipeline.id"))
    batch_id: Mapped[uuid.UUID | None]
    status: Mapped[str]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime] = mapped_column(server_default=NOW)
    deleted_by: Mapped[str]


class Erasure(Base):
    """Bytes below a tenant's artifacts that a deletion named.

    ``asked_at`` until they are removed or found in use; ``condemned`` once no row uses them and none may begin to.
    ``removed_at`` is remembered for a day, for who stored the same bytes just before (``db/erasure.py``).
    """

    __tablename__ = "erasure"
    __table_args__ = (sa.Index("erasure_asked_idx", "asked_at", postgresql_where=sa.text("asked_at IS NOT NULL")),)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    asked_at: Mapped[datetime | None]
    condemned: Mapped[bool] = mapped_column(server_default=sa.text("false"))
    removed_at: Mapped[datetime | None] = mapped_column(index=True)
