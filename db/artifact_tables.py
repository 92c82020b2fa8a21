"""The tables of stored files, and of which result names which."""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.base import NOW, Base


class Artifact(Base):
    """An immutable stored file, one row per tenant and SHA-256."""

    __tablename__ = "artifact"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "sha256"),
        sa.Index(
            "artifact_short_lived_idx",
            "created_at",
            postgresql_where=sa.text("media_type = 'application/vnd.scanmill.debug+json' AND expired_at IS NULL"),
        ),
    )
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id", ondelete="CASCADE"))
    sha256: Mapped[str]
    size: Mapped[int]
    media_type: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    expired_at: Mapped[datetime | None]


class ResultArtifact(Base):
    """The artifacts a result names; what no result names may be swept."""

    __tablename__ = "result_artifact"
    result_id: Mapped[int] = mapped_column(sa.ForeignKey("result.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    artifact_id: Mapped[int] = mapped_column(sa.ForeignKey("artifact.id"), index=True)
