"""What webhooks are told of. A delivery is written in the transaction of the event itself: none is lost, none is doubled.

Each text below is an INSERT that stands inside the statement which writes the end, so that it costs no round trip; a
tenant without webhooks costs one look into an index. The LATERAL with its OFFSET keeps PostgreSQL from starting at the
webhooks, whatever the tables held when it made its plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

import sqlalchemy as sa

from db.sql import run

EVENTS = (
    "scan.succeeded",
    "scan.partial",
    "scan.rejected",
    "scan.failed",
    "scan.cancelled",
    "batch.finished",
    "training.succeeded",
    "training.failed",
    "training.cancelled",
)
FILTERS = (*EVENTS, "scan.*", "training.*", "*")
"""What a webhook may ask for."""
TEST_EVENT = "webhook.test"

_INSERT = "INSERT INTO webhook_delivery (webhook_id, about, type, data)"


def _asked(kind: str, tenant: str, system: str) -> str:
    """Webhooks of a tenant that want an event; ``kind`` is the SQL of its name."""
    return f"""CROSS JOIN LATERAL (
            SELECT id FROM webhook
            WHERE tenant_id = {tenant} AND deleted_at IS NULL AND disabled_at IS NULL
              AND events && ARRAY[{kind}, split_part({kind}, '.', 1) || '.*', '*']
              AND (system IS NULL OR system = {system})
            OFFSET 0) w"""  # noqa: S608  the words are this module's own


_SYSTEM = "(SELECT system FROM pipeline WHERE id = e.pipeline_id)"

TELL_SCANS = f"""{_INSERT}
        SELECT w.id, 'scan ' || e.id, 'scan.' || e.status, jsonb_build_object(
            'id', e.id, 'status', e.status, 'code', e.code, 'batch_id', e.batch_id, 'system', {_SYSTEM},
            'custom_id', (SELECT custom_id FROM batch_item WHERE scan_id = e.id AND scan_id IS NOT NULL))
        FROM jsonb_to_recordset(CAST(:ends AS jsonb)) AS e(id uuid, status text, code text, tenant_id uuid,
                                                           batch_id uuid, pipeline_id bigint)
        {_asked("'scan.' || e.status", "e.tenant_id", _SYSTEM)}
        ON CONFLICT DO NOTHING"""  # noqa: S608
"""Of scans that ended: the records ``:ends``."""

TELL_BATCHES = f"""{_INSERT}
        SELECT w.id, 'batch ' || e.id || ' ' || e.finished_at, 'batch.finished', jsonb_build_object(
            'id', e.id, 'state', e.state, 'code', e.code, 'system', {_SYSTEM})
        FROM ended e {_asked("'batch.finished'", "e.tenant_id", _SYSTEM)}
        ON CONFLICT DO NOTHING"""  # noqa: S608
"""Of the batches in ``ended``. A batch that a retry made run again ends again, and that is another event."""

_TELL_TRAININGS = f"""{_INSERT}
        SELECT w.id, 'training ' || e.id, 'training.' || e.state, jsonb_build_object(
            'id', e.id, 'state', e.state, 'code', e.code, 'recipe', e.recipe)
        FROM training_run e {_asked("'training.' || e.state", "e.tenant_id", "NULL")}
        WHERE e.id = ANY(CAST(:ids AS uuid[])) AND e.state IN ('succeeded', 'failed', 'cancelled')
        ON CONFLICT DO NOTHING"""  # noqa: S608


def tell_trainings(connection: sa.Connection, ids: Iterable[UUID]) -> None:
    """Of those of these trainings that are over; trainings end too rarely to count a statement."""
    wanted = [str(each) for each in ids]
    if wanted:
        run(connection, _TELL_TRAININGS, ids=wanted)
