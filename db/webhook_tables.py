"""The tables of webhooks: who wants to be told of which events, and what is to be told, once per webhook and event.

A delivery's states (every arrow is a guarded UPDATE in ``db/webhook_work.py``)::

    waiting ──► delivered | failed        a redelivery makes it wait again
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db.base import NOW, Base


class Webhook(Base):
    """A receiver of one tenant. ``events`` are names or ``scan.*``; ``system`` NULL means every system.

    The secrets are kept as they are, because an HMAC needs them; ``old_secret`` signs too until ``old_secret_until``.
    ``failing_since`` is when the first delivery failed since one succeeded. ``delivered`` and ``failures`` count attempts
    for good, so a deleted webhook stays, without address and secret.
    """

    __tablename__ = "webhook"
    __table_args__ = (
        sa.Index("webhook_tenant_idx", "tenant_id", "id", postgresql_where=sa.text("deleted_at IS NULL")),
        sa.Index(
            "webhook_live_idx", "tenant_id", postgresql_where=sa.text("deleted_at IS NULL AND disabled_at IS NULL")
        ),
    )
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.text("uuidv7()"))
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id", ondelete="CASCADE"))
    url: Mapped[str]
    events: Mapped[list[str]]
    system: Mapped[str | None]
    description: Mapped[str | None]
    secret: Mapped[str]
    old_secret: Mapped[str | None]
    old_secret_until: Mapped[datetime | None]
    delivered: Mapped[int] = mapped_column(server_default="0")
    failures: Mapped[int] = mapped_column(server_default="0")
    failing_since: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_code: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    deleted_at: Mapped[datetime | None]


class WebhookDelivery(Base):
    """One event for one webhook; ``id`` is the webhook-id of every attempt. ``about`` names the event, so it is told once.

    No foreign key: every end of a scan would lock the webhook's row. ``attempts`` is counted before work and never
    lowered; ``refused`` counts those that were not taken, since it was last asked for. ``tries`` holds the newest attempts. A lease that ran out
    belongs to a control that died.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        sa.UniqueConstraint("webhook_id", "about"),
        sa.Index("webhook_delivery_state_idx", "webhook_id", "state", "id"),
        sa.Index("webhook_delivery_due_idx", "webhook_id", "next_at", postgresql_where=sa.text("state = 'waiting'")),
        sa.Index(
            "webhook_delivery_lease_idx",
            "webhook_id",
            "lease_until",
            postgresql_where=sa.text("lease_until IS NOT NULL"),
        ),
    )
    webhook_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.text("uuidv7()"))
    about: Mapped[str]
    type: Mapped[str]
    data: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(server_default="waiting")
    attempts: Mapped[int] = mapped_column(server_default="0")
    refused: Mapped[int] = mapped_column(server_default="0")
    token: Mapped[int] = mapped_column(server_default="0")
    next_at: Mapped[datetime] = mapped_column(server_default=NOW)
    lease_until: Mapped[datetime | None]
    tries: Mapped[list[dict[str, Any]]] = mapped_column(JSONB(), server_default=sa.text("'[]'"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
