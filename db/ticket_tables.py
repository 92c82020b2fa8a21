"""The table of announced scans: an id that a client was given before it sent the picture."""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.base import NOW, Base


class Ticket(Base):
    """An announced scan of a tenant; ``scan_id`` is set once its picture has come. One without a picture may be swept."""

    __tablename__ = "ticket"
    __table_args__ = (sa.Index("ticket_unused_idx", "created_at", postgresql_where=sa.text("scan_id IS NULL")),)
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.text("uuidv7()"))
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id", ondelete="CASCADE"))
    scan_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("scan.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
