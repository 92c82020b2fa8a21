"""A ledger that has been in use for long: an ended batch of any size, its reprocessing, and a queued one of that size.

Rows are made by the server out of numbers, with every index in place and foreign keys not looked at.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from bench.house import say
from db import batches, ledger, pipelines, tenants
from db.batches import NewBatch
from db.session import Database

PROFILE = "bench"
RARE, RARE_LINES = "STAGE_TIMEOUT", 10
"""A code that only the last lines of the batch carry: the worst place for it."""

STAGES = ("fetch", "look", "report")
SPECIFICATION: dict[str, Any] = {
    "system": "long_used",
    "stages": [
        {
            "name": name,
            "kind": name,
            "version": 1,
            "queue": "cpu",
            "deadline_s": 60.0,
            "needs": [STAGES[place - 1]] if place else [],
            "optional": [],
            "switch": None,
            "reuse_for_s": None,
            "parameters": {},
            "models": {},
        }
        for place, name in enumerate(STAGES)
    ],
}


@dataclass(frozen=True, slots=True)
class FullLedger:
    """Whose rows they are: ``ended`` has all lines, ``again`` the first tenth of them, ``queued`` waits, another tenant's."""

    tenant: UUID
    other: UUID
    ended: UUID
    again: UUID
    queued: UUID
    stage_ids: dict[str, int]
    lines: int


def fill(database: Database, owner: UUID, lines: int) -> FullLedger:
    """``lines`` ended and as many queued scans; three stage runs, one result, five events for each ended one."""
    with database.begin() as connection:
        pipeline = pipelines.publish(connection, SPECIFICATION)
        stage_ids = {stage.name: stage.id for stage in pipelines.stages(connection, pipeline)}
        tenant, other = (tenants.create_tenant(connection, name) for name in ("long", "other"))
        ledger.register(connection, owner, "bench", 1, PROFILE)
        names = ((tenant, "ended"), (tenant, "again"), (other, "queued"))
        made = [
            batches.create(connection, NewBatch(tenant_id=whose, system="long_used", name=name))[0]
            for whose, name in names
        ]
    full = FullLedger(tenant, other, made[0], made[1], made[2], stage_ids, lines)
    for batch, whose, count, ended in (
        (full.ended, tenant, lines, True),
        (full.again, tenant, lines // 10, True),
        (full.queued, other, lines, False),
    ):
        began = time.monotonic()
        with database.begin() as connection:
            _fill_batch(connection, batch, whose, pipeline, count, ended=ended)
        say(f"{count:,} {'ended' if ended else 'queued'} lines in {time.monotonic() - began:.0f} s")
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("VACUUM ANALYZE")
    return full


def _fill_batch(
    connection: sa.Connection, batch: UUID, tenant: UUID, pipeline: int, count: int, *, ended: bool
) -> None:
    given = {
        "batch": str(batch),
        "tenant": str(tenant),
        "pipeline": pipeline,
        "count": count,
        "rare": count - RARE_LINES,
    }
    for setting in ("statement_timeout = 0", "session_replication_role = replica", "enable_hashjoin = on"):
        connection.exec_driver_sql(f"SET LOCAL {setting}")
    for setting in ("enable_seqscan = on", "enable_mergejoin = on", "work_mem = '256MB'"):
        connection.exec_driver_sql(f"SET LOCAL {setting}")
    connection.exec_driver_sql("DROP TABLE IF EXISTS line")
    connection.execute(sa.text(_LINES if ended else _QUEUED_LINES), given)
    for statement in (_SCANS, _ITEMS, *((_RESULTS, _RUNS, _EVENTS) if ended else (_QUEUED_EVENTS,)), _COUNTS, _ENDS):
        connection.execute(sa.text(statement), {**given, "ended": ended, "rare_code": RARE})


_LINES = """
    CREATE TEMPORARY TABLE line ON COMMIT DROP AS
    SELECT n, uuidv7() AS id, sha256(CAST('picture ' || n AS bytea)) AS sha,
           CASE WHEN n > :rare THEN 'failed' WHEN n % 1000 = 7 THEN 'refused'
                WHEN n % 10 = 3 THEN 'rejected' ELSE 'succeeded' END AS status
    FROM generate_series(1, :count) n"""
"""Of a thousand lines one was refused and a hundred were no cats; the last ten failed."""

_QUEUED_LINES = """
    CREATE TEMPORARY TABLE line ON COMMIT DROP AS
    SELECT n, uuidv7() AS id, sha256(CAST('other ' || n AS bytea)) AS sha, 'queued' AS status
    FROM generate_series(1, :count) n"""

_SCANS = """
    INSERT INTO scan (id, tenant_id, batch_id, pipeline_id, lane, status, code, options, filename, input_kind, input_ref,
                      input_sha256, event_seq, created_at, admitted_at, started_at, finished_at)
    SELECT id, CAST(:tenant AS uuid), CAST(:batch AS uuid), :pipeline, 1, status,
           CASE status WHEN 'failed' THEN :rare_code WHEN 'rejected' THEN 'NOT_A_CAT' END,
           '{}', 'photo.jpg', 'upload', encode(sha, 'hex'), encode(sha, 'hex'), CASE WHEN :ended THEN 5 ELSE 1 END, at,
           CASE WHEN :ended THEN at + interval '1 second' END, CASE WHEN :ended THEN at + interval '2 seconds' END,
           CASE WHEN :ended THEN at + interval '3 seconds' END
    FROM (SELECT *, now() - interval '1 day' + n * interval '10 ms' AS at FROM line WHERE status <> 'refused') l
    ORDER BY n"""

_ITEMS = """
    INSERT INTO batch_item (batch_id, n, custom_id, fields, scan_id, code)
    SELECT CAST(:batch AS uuid), n, 'photos/' || lpad(CAST(n AS text), 8, '0') || '.jpg', NULL,
           CASE WHEN status <> 'refused' THEN id END, CASE WHEN status = 'refused' THEN 'CORRUPT_IMAGE' END
    FROM line ORDER BY n"""

_RESULTS = """
    INSERT INTO result (tenant_id, work, profile, outcome, data, provenance, digest)
    SELECT CAST(:tenant AS uuid), CAST(:batch AS text) || n, 'bench', 'ok', jsonb_build_object('report', jsonb_build_object(
               'findings', (SELECT jsonb_object_agg(region, jsonb_build_object('label', 'normal', 'probabilities',
                   jsonb_build_object('normal', 0.9, 'abnormal', 0.1)))
                   FROM unnest(ARRAY['left_eye', 'right_eye', 'left_ear', 'right_ear', 'mouth']) region),
               'face', '{"box": {"x": 10, "y": 10, "width": 200, "height": 200}}'::jsonb)), '{}', encode(sha, 'hex')
    FROM line WHERE status <> 'refused' ORDER BY n"""

_RUNS = """
    INSERT INTO stage_run (scan_id, stage_id, tenant_id, queue, lane, state, code, token, attempts, ready_at, started_at,
                           finished_at, compute_ms, work, result_id)
    SELECT l.id, s.id, CAST(:tenant AS uuid), 'cpu', 1,
           CASE WHEN s.name = 'look' AND l.status IN ('failed', 'rejected') THEN l.status ELSE 'ok' END,
           CASE WHEN s.name = 'look' AND l.status = 'failed' THEN :rare_code
                WHEN s.name = 'look' AND l.status = 'rejected' THEN 'NOT_A_CAT' END,
           1, 1, now(), now(), now(), 1, CAST(:batch AS text) || l.n || s.name,
           CASE WHEN s.name = 'report' THEN r.id END
    FROM line l JOIN result r ON r.tenant_id = CAST(:tenant AS uuid) AND r.work = CAST(:batch AS text) || l.n
         CROSS JOIN (SELECT id, name, position FROM stage WHERE pipeline_id = :pipeline) s
    ORDER BY l.n, s.position"""

_EVENTS = """
    INSERT INTO event (scan_id, seq, kind, data)
    SELECT id, seq, 'stage', '{"stage": "look", "state": "ok", "code": null, "reused": false}'
    FROM line CROSS JOIN generate_series(1, 5) seq WHERE status <> 'refused'"""

_QUEUED_EVENTS = """
    INSERT INTO event (scan_id, seq, kind, data) SELECT id, 1, 'status', '{"status": "queued", "code": null}' FROM line"""

_COUNTS = """
    INSERT INTO scan_count (tenant_id, batch_id, status, n)
    SELECT CAST(:tenant AS uuid), CAST(:batch AS uuid), status, count(*) FROM line WHERE status <> 'refused' GROUP BY status"""

_ENDS = """
    UPDATE batch SET items = :count, refused = (SELECT count(*) FROM line WHERE status = 'refused'),
        state = CASE WHEN :ended THEN 'partial' ELSE 'running' END, finalised_at = now(),
        finished_at = CASE WHEN :ended THEN now() END
    WHERE id = CAST(:batch AS uuid)"""
