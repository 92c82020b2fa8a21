"""The tables of training: what was asked for and how far it is, and which recipes the trainers know.

A run's states (every arrow is a guarded UPDATE in ``db/training_runs.py``)::

    queued ──► running ──► succeeded | failed | cancelled
                │   ▲
                ▼   │
            interrupted      its worker is gone or was stopped; it goes on from its checkpoint
    queued and interrupted ──► cancelled; interrupted too often ──► failed
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db.base import NOW, Base


class TrainingRecipe(Base):
    """A recipe that some trainer announced. The API takes no other, and imports none."""

    __tablename__ = "training_recipe"
    name: Mapped[str] = mapped_column(primary_key=True)
    about: Mapped[str]
    seen_at: Mapped[datetime] = mapped_column(server_default=NOW)


class TrainingRun(Base):
    """One recipe run on somebody's behalf. ``token`` fences: a write of an older holder changes nothing.

    ``attempts`` is counted before work and never lowered; ``charged`` counts those that ended with a death. ``checkpoint``
    is the SHA-256 of the file to go on from, ``files`` holds SHA-256 and size of what it has made so far by name,
    ``versions`` the model versions that were registered of it. ``resumed_from`` is the run whose checkpoint this one began with.
    """

    __tablename__ = "training_run"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "idempotency_key"),
        sa.Index("training_run_tenant_idx", "tenant_id", sa.text("id DESC")),
        sa.Index("training_run_open_idx", "id", postgresql_where=sa.text("state IN ('queued', 'interrupted')")),
        sa.Index("training_run_lease_idx", "lease_until", postgresql_where=sa.text("state = 'running'")),
        sa.Index("training_run_owner_idx", "owner", postgresql_where=sa.text("state = 'running'")),
        sa.Index("training_run_resumed_idx", "resumed_from", postgresql_where=sa.text("resumed_from IS NOT NULL")),
        sa.Index("training_run_checkpoint_idx", "checkpoint", postgresql_where=sa.text("checkpoint IS NOT NULL")),
    )
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.text("uuidv7()"))
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id", ondelete="CASCADE"))
    recipe: Mapped[str]
    parameters: Mapped[dict[str, Any]]
    asked_by: Mapped[str]
    idempotency_key: Mapped[str | None]
    resumed_from: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("training_run.id", ondelete="SET NULL"))
    state: Mapped[str] = mapped_column(server_default="queued")
    code: Mapped[str | None]
    detail: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    charged: Mapped[int] = mapped_column(server_default="0")
    token: Mapped[int] = mapped_column(server_default="0")
    owner: Mapped[uuid.UUID | None]
    lease_until: Mapped[datetime | None]
    progress: Mapped[dict[str, Any]] = mapped_column(server_default=sa.text("'{}'"))
    checkpoint: Mapped[str | None]
    files: Mapped[dict[str, Any]] = mapped_column(server_default=sa.text("'{}'"))
    versions: Mapped[list[dict[str, Any]]] = mapped_column(JSONB(), server_default=sa.text("'[]'"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
