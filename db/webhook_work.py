"""Telling webhooks: the lease, the fencing token, the end of an attempt, and what is too old to keep.

As in ``db.ledger``, a claim is one UPDATE, counted before work, and every later write names its token. Any number of
controls may claim; a webhook has at most ``each`` deliveries on their way at once, and one while it fails, so that a
receiver that is slow or gone holds nobody else up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from db.sql import row, rows
from pipeline.errors import WEBHOOK_FAILING

GIVE_UP_DAYS = 3
"""A webhook of which every delivery failed for this long is disabled."""
MOST_TRIES = 20
"""Attempts that are kept of one delivery."""


@dataclass(frozen=True, slots=True)
class WebhookClaim:
    """A delivery to be made now. ``secrets`` are one or two.

    ``number`` counts every attempt, ``refused`` those that were not taken since it was last asked for: a control that
    died costs the receiver none.
    """

    webhook_id: UUID
    id: UUID
    token: int
    type: str
    data: dict[str, Any]
    created_at: datetime
    now: datetime
    number: int
    refused: int
    url: str
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """How an attempt ended: a good one has no ``code``; ``again_in_s`` None gives the delivery up.

    ``gone``: the receiver wants no more.
    """

    status: int | None
    code: str | None
    duration_ms: int
    again_in_s: float | None = None
    gone: bool = False


def claim(connection: sa.Connection, limit: int, each: int, lease_s: float) -> list[WebhookClaim]:
    """Lease deliveries that are due, the longest due first; those of a control that died are due when its lease ends."""
    taken = rows(connection, _CLAIM, limit=limit, each=each, lease=lease_s)
    return [
        WebhookClaim(
            r.webhook_id,
            r.id,
            r.token,
            r.type,
            r.data,
            r.created_at,
            r.now,
            r.attempts,
            r.refused,
            r.url,
            tuple(secret for secret in (r.secret, r.old_secret) if secret),
        )
        for r in taken
    ]


_CLAIM = """
    WITH room AS (
        SELECT w.id, CASE WHEN w.failing_since IS NULL THEN CAST(:each AS int) ELSE 1 END - (
            SELECT count(*) FROM webhook_delivery
            WHERE webhook_id = w.id AND lease_until > clock_timestamp()) AS n
        FROM webhook w
        WHERE w.deleted_at IS NULL AND w.disabled_at IS NULL
          AND EXISTS (SELECT FROM webhook_delivery
                      WHERE webhook_id = w.id AND state = 'waiting' AND next_at <= clock_timestamp())
    ), due AS (
        SELECT d.webhook_id, d.id FROM room CROSS JOIN LATERAL (
            SELECT webhook_id, id, next_at FROM webhook_delivery
            WHERE webhook_id = room.id AND state = 'waiting' AND next_at <= clock_timestamp()
            ORDER BY next_at LIMIT greatest(0, room.n) FOR UPDATE SKIP LOCKED) d
        ORDER BY d.next_at LIMIT :limit
    )
    UPDATE webhook_delivery d SET attempts = attempts + 1, token = token + 1,
        lease_until = clock_timestamp() + make_interval(secs => CAST(:lease AS double precision)),
        next_at = clock_timestamp() + make_interval(secs => CAST(:lease AS double precision))
    FROM due JOIN webhook w ON w.id = due.webhook_id
    WHERE d.webhook_id = due.webhook_id AND d.id = due.id AND d.state = 'waiting'
    RETURNING d.webhook_id, d.id, d.token, d.type, d.data, d.created_at, clock_timestamp() AS now, d.attempts, d.refused,
        w.url, w.secret, CASE WHEN w.old_secret_until > clock_timestamp() THEN w.old_secret END AS old_secret"""


def finish(connection: sa.Connection, held: WebhookClaim, tried: Tried) -> bool:
    """End an attempt; False when the delivery is no longer ours. Disables a webhook that is gone, or failed for days."""
    state = "delivered" if tried.code is None else "failed" if tried.again_in_s is None else "waiting"
    line = {
        "attempt": held.number,
        "at": held.now.isoformat(),
        "status": tried.status,
        "code": tried.code,
        "duration_ms": tried.duration_ms,
    }
    ended = row(
        connection,
        _FINISH,
        webhook=held.webhook_id,
        id=held.id,
        token=held.token,
        state=state,
        again=tried.again_in_s or 0.0,
        line=json.dumps([line]),
        most=MOST_TRIES,
        good=tried.code is None,
        code=tried.code,
        gone=tried.gone,
        days=GIVE_UP_DAYS,
        failing=WEBHOOK_FAILING,
    )
    return ended is not None


_FINISH = """
    WITH ended AS (
        UPDATE webhook_delivery SET state = :state, lease_until = NULL,
            refused = refused + CASE WHEN :good THEN 0 ELSE 1 END,
            next_at = clock_timestamp() + make_interval(secs => CAST(:again AS double precision)),
            tries = CASE WHEN jsonb_array_length(tries) >= CAST(:most AS int) THEN tries - 0 ELSE tries END
                    || CAST(:line AS jsonb)
        WHERE webhook_id = :webhook AND id = :id AND token = :token AND state = 'waiting' RETURNING webhook_id
    ), hopeless AS (
        SELECT w.id, CASE WHEN :gone THEN :code
                          WHEN NOT :good AND w.failing_since < clock_timestamp()
                                               - make_interval(days => CAST(:days AS int)) THEN :failing END AS code
        FROM webhook w JOIN ended ON ended.webhook_id = w.id
    )
    UPDATE webhook w SET
        delivered = delivered + CASE WHEN :good THEN 1 ELSE 0 END,
        failures = failures + CASE WHEN :good THEN 0 ELSE 1 END,
        failing_since = CASE WHEN NOT :good THEN coalesce(w.failing_since, clock_timestamp()) END,
        disabled_code = coalesce(h.code, w.disabled_code),
        disabled_at = CASE WHEN h.code IS NOT NULL THEN coalesce(w.disabled_at, clock_timestamp())
                           ELSE w.disabled_at END
    FROM hopeless h WHERE w.id = h.id RETURNING w.id"""


def forget(connection: sa.Connection, days: int, page: int = 1_000) -> int:
    """Remove a page of deliveries that are older than ``days``, or whose webhook was deleted; how many there were."""
    return len(rows(connection, _FORGET, days=days, last=UUID(int=2**128 - 1), page=page))


_FORGET = """
    DELETE FROM webhook_delivery d USING (
        SELECT o.webhook_id, o.id FROM webhook w CROSS JOIN LATERAL (
            SELECT webhook_id, id FROM webhook_delivery
            WHERE webhook_id = w.id AND id < CASE WHEN w.deleted_at IS NULL
                THEN (SELECT uuidv7(make_interval(days => -CAST(:days AS int)))) ELSE CAST(:last AS uuid) END
            ORDER BY id LIMIT :page) o
        LIMIT :page) old
    WHERE d.webhook_id = old.webhook_id AND d.id = old.id RETURNING 1"""
"""Ids are in the order of time, so what is old stands first in the index."""


def figures(connection: sa.Connection) -> dict[str, float]:
    """Attempts ``delivered`` and ``failed`` ever, and the age in seconds of what waits longest (``waiting_s``)."""
    found = rows(connection, _FIGURES)[0]
    return {"delivered": float(found.delivered), "failed": float(found.failed), "waiting_s": float(found.waiting_s)}


_FIGURES = """
    SELECT coalesce(sum(w.delivered), 0) AS delivered, coalesce(sum(w.failures), 0) AS failed,
           coalesce(max(extract(epoch FROM clock_timestamp() - first.created_at)), 0) AS waiting_s
    FROM webhook w LEFT JOIN LATERAL (
        SELECT created_at FROM webhook_delivery
        WHERE w.deleted_at IS NULL AND w.disabled_at IS NULL AND webhook_id = w.id AND state = 'waiting'
        ORDER BY id LIMIT 1) first ON true"""
