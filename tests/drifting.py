"""Scans that ended some days ago with reports as wanted, written into the ledger as if they had been worked on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from db import pipelines, tenants
from db.session import Database
from db.sql import records, rows, run
from tests.ledger import one_stage


def today() -> date:
    return datetime.now(UTC).date()


@dataclass
class Clinic:
    """A tenant with a pipeline of one stage, its report."""

    database: Database
    name: str
    system: str = "cataract"
    tenant: UUID = field(init=False)
    pipeline: int = field(init=False)
    stage: int = field(init=False)

    def __post_init__(self) -> None:
        with self.database.begin() as connection:
            self.tenant = tenants.create_tenant(connection, self.name)
            self.pipeline = pipelines.publish(connection, one_stage(self.system))
            [stage] = pipelines.stages(connection, self.pipeline)
            self.stage = stage.id

    def execute(self, statement: str, **given: object) -> None:
        with self.database.begin() as connection:
            run(connection, statement, **given)

    def batch(self, name: str, source: Mapping[str, Any] | None = None) -> UUID:
        with self.database.begin() as connection:
            [made] = rows(
                connection,
                """INSERT INTO batch (tenant_id, pipeline_id, name, source, options, state)
                   VALUES (:tenant, :pipeline, :name, CAST(:source AS jsonb), '{}', 'running') RETURNING id""",
                tenant=self.tenant,
                pipeline=self.pipeline,
                name=name,
                source=None if source is None else json.dumps(source),
            )
        return UUID(str(made.id))

    def scanned(
        self,
        reports: Sequence[Mapping[str, Any] | None],
        *,
        days_ago: int = 1,
        at: datetime | None = None,
        batch: UUID | None = None,
        status: str = "succeeded",
        code: str | None = None,
        pictures: Sequence[str] | None = None,
    ) -> list[UUID]:
        """A scan per report, ended at noon of that day; without a name of its own, each is of another picture."""
        ended = at or datetime.combine(today() - timedelta(days_ago), datetime.min.time(), UTC) + timedelta(hours=12)
        ids = [uuid4() for _ in reports]
        names = pictures or [str(each) for each in ids]
        made = records(
            {"id": scan, "picture": picture, "data": {"report": report}, "bare": report is None}
            for scan, picture, report in zip(ids, names, reports, strict=True)
        )
        with self.database.begin() as connection:
            rows(
                connection,
                _SCANNED,
                scans=made,
                tenant=self.tenant,
                pipeline=self.pipeline,
                stage=self.stage,
                batch=batch,
                status=status,
                code=code,
                at=ended,
            )
        return ids


_SCANNED = """
    WITH given AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(CAST(:scans AS jsonb)) AS g(id uuid, picture text, data jsonb, bare boolean)
    ), scanned AS (
        INSERT INTO scan (id, tenant_id, batch_id, pipeline_id, lane, status, code, options, filename, input_kind, input_ref,
                          input_sha256, created_at, admitted_at, finished_at)
        SELECT id, :tenant, CAST(:batch AS uuid), :pipeline, 0, :status, :code, '{}', 'eye.jpg', 'upload', 'key', picture,
               :at, :at, :at
        FROM given RETURNING id
    ), answered AS (
        INSERT INTO result (tenant_id, work, profile, outcome, data, provenance, digest)
        SELECT :tenant, CAST(id AS text), 'test', 'ok', data, '{}', 'd' FROM given WHERE NOT bare RETURNING id, work
    )
    INSERT INTO stage_run (scan_id, stage_id, tenant_id, queue, lane, state, result_id)
    SELECT g.id, :stage, :tenant, 'cpu', 0, 'ok', a.id FROM given g LEFT JOIN answered a ON a.work = CAST(g.id AS text)
    RETURNING id"""
