"""The tables of drift: what was counted of ended days, what was alarming, and what people said of findings."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db.base import NOW, Base


class DriftFold(Base):
    """A tenant's scans that ended before ``until`` (midnight, UTC) have been counted."""

    __tablename__ = "drift_fold"
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True)
    until: Mapped[date] = mapped_column(sa.Date())


class DriftDay(Base):
    """Scans of one source that ended on one day (UTC), each picture once. Written when the day is over, then never changed.

    ``counts`` is measure → bin → scans; ``review`` the scans most worth a look, ``{scan_id, uncertainty, disagreement,
    score}`` with the greatest score first; ``examples`` a few scans by chance. Both may name scans that were deleted since.
    """

    __tablename__ = "drift_day"
    __table_args__ = (sa.Index("drift_day_day_idx", "day"),)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True)
    system: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(sa.Date(), primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    scans: Mapped[int]
    counts: Mapped[dict[str, Any]]
    review: Mapped[list[dict[str, Any]]] = mapped_column(JSONB())
    examples: Mapped[list[Any]] = mapped_column(JSONB())


class DriftAlert(Base):
    """One measure of one source that drifted. ``found`` is the whole comparison; at most one is open of each measure."""

    __tablename__ = "drift_alert"
    __table_args__ = (
        sa.Index(
            "drift_alert_open_key",
            "tenant_id",
            "system",
            "source",
            "measure",
            unique=True,
            postgresql_where=sa.text("closed_at IS NULL"),
        ),
        sa.Index("drift_alert_tenant_idx", "tenant_id", "id"),
    )
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.text("uuidv7()"))
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id", ondelete="CASCADE"))
    system: Mapped[str]
    source: Mapped[str]
    kind: Mapped[str]
    measure: Mapped[str]
    found: Mapped[dict[str, Any]]
    reference_since: Mapped[date] = mapped_column(sa.Date())
    reference_until: Mapped[date] = mapped_column(sa.Date())
    since: Mapped[date] = mapped_column(sa.Date())
    until: Mapped[date] = mapped_column(sa.Date())
    opened_at: Mapped[datetime] = mapped_column(server_default=NOW)
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    note: Mapped[str | None]


class Correction(Base):
    """What a person says of a finding. Only added to: a later one of the same finding stands beside the earlier."""

    __tablename__ = "correction"
    __table_args__ = (sa.Index("correction_tenant_idx", "tenant_id", "id"),)
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.text("uuidv7()"))
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id", ondelete="CASCADE"))
    scan_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("scan.id", ondelete="CASCADE"), index=True)
    finding: Mapped[str]
    label: Mapped[str]
    note: Mapped[str | None]
    made_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
