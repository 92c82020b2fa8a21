"""Webhooks as their tenant sees them: made, changed, looked at, asked to tell again. Every statement names the tenant."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db.sql import row, rows
from db.webhook_events import TEST_EVENT
from pipeline.errors import TooManyWebhooks, WebhookDisabled

MOST_WEBHOOKS = 20
"""Of one tenant: each may cost a row per scan."""
OLD_SECRET_HOURS = 24
STATES = ("waiting", "delivered", "failed")
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """A webhook as it may be shown: never its secret. ``delivered`` and ``failures`` count attempts."""

    id: UUID
    url: str
    events: list[str]
    system: str | None
    description: str | None
    delivered: int
    failures: int
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_code: str | None
    old_secret_until: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery: ``tries`` are the newest attempts, each with ``attempt``, ``at``, ``status``, ``code``, ``duration_ms``.

    ``next_at`` is None unless it waits.
    """

    id: UUID
    type: str
    data: dict[str, Any]
    state: str
    attempts: int
    next_at: datetime | None
    tries: list[dict[str, Any]]
    created_at: datetime


_SHOWN = ", ".join(WebhookRow.__dataclass_fields__)
_DELIVERY = """d.id, d.type, d.data, d.state, d.attempts,
    CASE WHEN d.state = 'waiting' THEN d.next_at END AS next_at, d.tries, d.created_at"""
_THERE = "tenant_id = :tenant AND id = :id AND deleted_at IS NULL"
_DELIVERIES = "webhook w JOIN webhook_delivery d ON d.webhook_id = w.id"
_OURS = "w.tenant_id = :tenant AND w.id = :id AND w.deleted_at IS NULL"


def create(
    connection: sa.Connection,
    tenant_id: UUID,
    *,
    url: str,
    events: Sequence[str],
    system: str | None = None,
    description: str | None = None,
) -> tuple[WebhookRow, str]:
    """A new webhook and its secret, which is not shown again. Raises TooManyWebhooks."""
    row(connection, "SELECT id FROM tenant WHERE id = :tenant FOR NO KEY UPDATE", tenant=tenant_id)
    if len(listing(connection, tenant_id)) >= MOST_WEBHOOKS:
        raise TooManyWebhooks
    secret = new_secret()
    made = row(
        connection,
        f"""INSERT INTO webhook (tenant_id, url, events, system, description, secret)
            VALUES (:tenant, :url, :events, :system, :description, :secret) RETURNING {_SHOWN}""",  # noqa: S608
        tenant=tenant_id,
        url=url,
        events=list(events),
        system=system,
        description=description,
        secret=secret,
    )
    assert made is not None
    return WebhookRow(*tuple(made)), secret


def new_secret() -> str:
    """``whsec_`` and 256 random bits in base64."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"


def listing(connection: sa.Connection, tenant_id: UUID) -> list[WebhookRow]:
    """A tenant's webhooks, the oldest first."""
    found = rows(
        connection,
        f"SELECT {_SHOWN} FROM webhook WHERE tenant_id = :tenant AND deleted_at IS NULL ORDER BY id",  # noqa: S608
        tenant=tenant_id,
    )
    return [WebhookRow(*tuple(each)) for each in found]


def get(connection: sa.Connection, tenant_id: UUID, webhook_id: UUID) -> WebhookRow | None:
    """A webhook; None for another tenant's."""
    found = row(connection, f"SELECT {_SHOWN} FROM webhook WHERE {_THERE}", tenant=tenant_id, id=webhook_id)  # noqa: S608
    return WebhookRow(*tuple(found)) if found else None


def change(
    connection: sa.Connection,
    tenant_id: UUID,
    webhook_id: UUID,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    description: str | None = None,
    enabled: bool | None = None,
) -> WebhookRow | None:
    """Change what is given. ``enabled`` forgets why it was disabled; what waited goes on. None for another tenant's."""
    found = row(
        connection,
        f"""UPDATE webhook SET url = coalesce(:url, url), events = coalesce(CAST(:events AS text[]), events),
              description = coalesce(:description, description),
              failing_since = CASE WHEN CAST(:enabled AS boolean) THEN NULL ELSE failing_since END,
              disabled_code = CASE WHEN CAST(:enabled AS boolean) THEN NULL ELSE disabled_code END,
              disabled_at = CASE WHEN CAST(:enabled AS boolean) IS NULL THEN disabled_at
                                 WHEN NOT CAST(:enabled AS boolean) THEN coalesce(disabled_at, clock_timestamp()) END
            WHERE {_THERE} RETURNING {_SHOWN}""",  # noqa: S608
        tenant=tenant_id,
        id=webhook_id,
        url=url,
        events=None if events is None else list(events),
        description=description,
        enabled=enabled,
    )
    return WebhookRow(*tuple(found)) if found else None


def delete(connection: sa.Connection, tenant_id: UUID, webhook_id: UUID) -> bool:
    """Delete for good: address and secrets at once, its deliveries page by page by ``control``."""
    return bool(
        rows(
            connection,
            f"""UPDATE webhook SET deleted_at = clock_timestamp(), url = '', description = NULL,
                  secret = '', old_secret = NULL, old_secret_until = NULL
                WHERE {_THERE} RETURNING id""",  # noqa: S608
            tenant=tenant_id,
            id=webhook_id,
        )
    )


def rotate(connection: sa.Connection, tenant_id: UUID, webhook_id: UUID) -> tuple[WebhookRow, str] | None:
    """A new secret; the one before it signs too for a day, one older than that no more. None for another tenant's."""
    secret = new_secret()
    found = row(
        connection,
        f"""UPDATE webhook SET secret = :secret, old_secret = secret,
              old_secret_until = clock_timestamp() + make_interval(hours => :hours)
            WHERE {_THERE} RETURNING {_SHOWN}""",  # noqa: S608
        tenant=tenant_id,
        id=webhook_id,
        secret=secret,
        hours=OLD_SECRET_HOURS,
    )
    return (WebhookRow(*tuple(found)), secret) if found else None


def ping(connection: sa.Connection, tenant_id: UUID, webhook_id: UUID) -> DeliveryRow | None:
    """An event that only tells that it arrives. None for another tenant's webhook; raises WebhookDisabled."""
    if not _enabled(connection, tenant_id, webhook_id):
        return None
    made = row(
        connection,
        f"""INSERT INTO webhook_delivery AS d (webhook_id, about, type, data)
            VALUES (:id, 'test ' || uuidv7(), '{TEST_EVENT}', jsonb_build_object('id', CAST(:id AS uuid)))
            RETURNING {_DELIVERY}""",  # noqa: S608
        id=webhook_id,
    )
    return DeliveryRow(*tuple(made)) if made else None


def deliveries(
    connection: sa.Connection,
    tenant_id: UUID,
    webhook_id: UUID,
    *,
    state: str | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[DeliveryRow]:
    """A page of deliveries, the newest first, those before the id ``before``."""
    found = rows(
        connection,
        _PAGE if state is None else _PAGE_OF_STATE,
        tenant=tenant_id,
        id=webhook_id,
        before=before or UUID(int=2**128 - 1),
        limit=limit,
        **({} if state is None else {"state": state}),
    )
    return [DeliveryRow(*tuple(each)) for each in found]


_PAGES = """SELECT {columns} FROM {tables} WHERE {ours} AND d.id < CAST(:before AS uuid){which}
            ORDER BY d.id DESC LIMIT :limit"""
_PAGE = _PAGES.format(columns=_DELIVERY, tables=_DELIVERIES, ours=_OURS, which="")
_PAGE_OF_STATE = _PAGES.format(columns=_DELIVERY, tables=_DELIVERIES, ours=_OURS, which=" AND d.state = :state")


def delivery(connection: sa.Connection, tenant_id: UUID, webhook_id: UUID, delivery_id: UUID) -> DeliveryRow | None:
    """One delivery; None for another tenant's."""
    found = row(
        connection,
        f"SELECT {_DELIVERY} FROM {_DELIVERIES} WHERE {_OURS} AND d.id = :delivery",  # noqa: S608
        tenant=tenant_id,
        id=webhook_id,
        delivery=delivery_id,
    )
    return DeliveryRow(*tuple(found)) if found else None


def redeliver(connection: sa.Connection, tenant_id: UUID, webhook_id: UUID, delivery_id: UUID) -> DeliveryRow | None:
    """Send again, at once and then by the whole schedule, under the same id. One that is being sent is left alone.

    None for another tenant's; raises WebhookDisabled.
    """
    if not _enabled(connection, tenant_id, webhook_id):
        return None
    rows(
        connection,
        """UPDATE webhook_delivery SET state = 'waiting', refused = 0, next_at = clock_timestamp()
           WHERE webhook_id = :id AND id = :delivery AND (lease_until IS NULL OR lease_until < clock_timestamp())
           RETURNING id""",
        id=webhook_id,
        delivery=delivery_id,
    )
    return delivery(connection, tenant_id, webhook_id, delivery_id)


def _enabled(connection: sa.Connection, tenant_id: UUID, webhook_id: UUID) -> bool:
    """Whether there is such a webhook. Raises WebhookDisabled."""
    found = get(connection, tenant_id, webhook_id)
    if found is not None and found.disabled_at is not None:
        raise WebhookDisabled
    return found is not None
