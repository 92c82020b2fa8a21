"""The tables. Everything that says what happened to a scan is a row here.

A stage run's states (every arrow is a guarded UPDATE in db/)::

    blocked ──► ready ──► leased ──► ok | abstained | rejected | failed
       │          │  ▲       │
       │          │  └───────┘  lease ran out, worker died, or to be tried again
       │          └──► ok (reused: an equal fingerprint has an answer already)
       └──► skipped (an earlier stage it needs did not end ok, or it was switched off)
    every state that is not final ──► cancelled
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.base import NOW, Base

NEWEST = (sa.text("created_at DESC"), sa.text("id DESC"))
UNWELL = "status <> 'succeeded'"


class Tenant(Base):
    """Whose pictures these are. Every row below belongs to one. ``training``: whether it lets them be used for that."""

    __tablename__ = "tenant"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.text("uuidv7()"))
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    training: Mapped[bool] = mapped_column(server_default=sa.text("false"))
    training_at: Mapped[datetime | None]
    training_by: Mapped[str | None]


class ApiKey(Base):
    """A bearer key: its id and the SHA-256 of its secret, which has 256 random bits and needs no slow hash."""

    __tablename__ = "api_key"
    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    secret_sha256: Mapped[str]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class PipelineVersion(Base):
    """A pipeline as it was published: never changed, pinned by every scan."""

    __tablename__ = "pipeline"
    __table_args__ = (sa.UniqueConstraint("system", "version"),)
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    system: Mapped[str]
    version: Mapped[str]
    specification: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class CurrentPipeline(Base):
    """The version that new scans of a system get."""

    __tablename__ = "current_pipeline"
    system: Mapped[str] = mapped_column(primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(sa.ForeignKey("pipeline.id"))


class StageRow(Base):
    """One stage of a pipeline version, so that the API can expand a scan by SQL without importing a stage.

    ``basis`` is SHA-256 over kind, version, parameters and model digests: what decides the output besides the input.
    """

    __tablename__ = "stage"
    __table_args__ = (sa.UniqueConstraint("pipeline_id", "position"),)
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    pipeline_id: Mapped[int] = mapped_column(sa.ForeignKey("pipeline.id"))
    position: Mapped[int]
    name: Mapped[str]
    kind: Mapped[str]
    version: Mapped[int]
    queue: Mapped[str]
    deadline_s: Mapped[float]
    needs: Mapped[list[str]]
    optional: Mapped[list[str]]
    switch: Mapped[str | None]
    reuse_for_s: Mapped[float | None]
    parameters: Mapped[dict[str, Any]]
    models: Mapped[dict[str, Any]]
    basis: Mapped[str]


def _partial(name: str, *columns: str | sa.TextClause, where: str) -> sa.Index:
    return sa.Index(name, *columns, postgresql_where=sa.text(where))


class Scan(Base):
    """One picture through one pipeline version. ``event_seq`` numbers its events and serialises its transitions.

    ``training`` is what was said of its use for training, NULL for nothing; when, and by which key. ``asset_id`` is what
    the picture shows and ``taken_at`` when it was taken, as far as the client said so.
    """

    __tablename__ = "scan"
    __table_args__ = (
        sa.Index("scan_tenant_created_idx", "tenant_id", *NEWEST),
        _partial("scan_tenant_status_idx", "tenant_id", "status", *NEWEST, where=UNWELL),
        _partial(
            "scan_waiting_bulk_idx", "tenant_id", "batch_id", "created_at", where="lane = 1 AND admitted_at IS NULL"
        ),
        _partial("scan_waiting_interactive_idx", "tenant_id", "created_at", where="lane = 0 AND admitted_at IS NULL"),
        _partial(
            "scan_batch_open_idx", "batch_id", "admitted_at", where="batch_id IS NOT NULL AND finished_at IS NULL"
        ),
        _partial(
            "scan_batch_ended_idx",
            *("batch_id", "status", "finished_at"),
            where="batch_id IS NOT NULL AND finished_at IS NOT NULL",
        ),
        _partial("scan_under_way_idx", "tenant_id", "lane", where="admitted_at IS NOT NULL AND finished_at IS NULL"),
        _partial(
            "scan_batch_code_idx", "batch_id", "code", "status", where="batch_id IS NOT NULL AND code IS NOT NULL"
        ),
        _partial("scan_tenant_ended_idx", "tenant_id", "finished_at", "id", where="finished_at IS NOT NULL"),
        _partial(
            "scan_asset_idx",
            *("tenant_id", "asset_id", sa.text("coalesce(taken_at, created_at) DESC"), sa.text("id DESC")),
            where="asset_id IS NOT NULL",
        ),
        _partial("scan_retry_idx", "retry_of", where="retry_of IS NOT NULL"),
        sa.Index("scan_input_idx", "input_sha256", postgresql_using="hash"),
    )
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=sa.text("uuidv7()"))
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id", ondelete="CASCADE"))
    batch_id: Mapped[uuid.UUID | None]
    pipeline_id: Mapped[int] = mapped_column(sa.ForeignKey("pipeline.id"))
    lane: Mapped[int]
    status: Mapped[str] = mapped_column(server_default="queued")
    code: Mapped[str | None]
    options: Mapped[dict[str, Any]]
    filename: Mapped[str | None]
    asset_id: Mapped[str | None]
    taken_at: Mapped[datetime | None]
    input_kind: Mapped[str]
    input_ref: Mapped[str]
    input_sha256: Mapped[str | None]
    retry_of: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("scan.id", ondelete="SET NULL"))
    event_seq: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    admitted_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    training: Mapped[bool | None]
    training_at: Mapped[datetime | None]
    training_by: Mapped[str | None]


class IdempotencyKey(Base):
    """A client's Idempotency-Key, the hash of the request it came with, and the scan it made."""

    __tablename__ = "idempotency_key"
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str]
    scan_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("scan.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Result(Base):
    """What a stage answered for one fingerprint: (tenant, work, profile). Immutable and shared by equal runs.

    ``work`` is SHA-256 over the stage's basis and the digests of all it needs (``run <id>`` for an answer that is never
    reused); ``profile`` names the runtime that may change the last bits; ``digest`` is SHA-256 over the answer.
    ``computed_at`` is when it was last computed again, NULL if never: what is reused for a while only looks at its age.
    """

    __tablename__ = "result"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "work", "profile"),)
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id", ondelete="CASCADE"))
    work: Mapped[str]
    profile: Mapped[str]
    outcome: Mapped[str]
    code: Mapped[str | None]
    data: Mapped[dict[str, Any]]
    provenance: Mapped[dict[str, Any]]
    digest: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    computed_at: Mapped[datetime | None]


class StageRun(Base):
    """One stage of one scan: the unit of work, the lease and the fence. States: see the top of this file.

    ``attempts`` is counted before work and never lowered. ``charged`` counts crashes that were the picture's fault; a
    charged run is worked on alone. ``waits_for`` points at a run that is computing the same fingerprint.
    """

    __tablename__ = "stage_run"
    __table_args__ = (
        sa.UniqueConstraint("scan_id", "stage_id"),
        sa.Index(
            "stage_run_ready_idx",
            "queue",
            "lane",
            "ready_at",
            "id",
            postgresql_where=sa.text("state = 'ready' AND waits_for IS NULL"),
        ),
        sa.Index("stage_run_lease_idx", "lease_until", postgresql_where=sa.text("state = 'leased'")),
        sa.Index("stage_run_owner_idx", "owner", postgresql_where=sa.text("state = 'leased'")),
        sa.Index("stage_run_waits_idx", "waits_for", postgresql_where=sa.text("waits_for IS NOT NULL")),
        sa.Index("stage_run_result_idx", "result_id", "id", postgresql_where=sa.text("result_id IS NOT NULL")),
        sa.Index(
            "stage_run_work_idx",
            "tenant_id",
            "work",
            postgresql_where=sa.text("state IN ('ready', 'leased') AND waits_for IS NULL"),
        ),
        {"postgresql_with": {"fillfactor": 70}},
    )
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    scan_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("scan.id", ondelete="CASCADE"))
    stage_id: Mapped[int] = mapped_column(sa.ForeignKey("stage.id"))
    tenant_id: Mapped[uuid.UUID]
    queue: Mapped[str]
    lane: Mapped[int]
    state: Mapped[str]
    code: Mapped[str | None]
    not_before: Mapped[datetime] = mapped_column(server_default=sa.text("'-infinity'"))
    token: Mapped[int] = mapped_column(server_default="0")
    attempts: Mapped[int] = mapped_column(server_default="0")
    charged: Mapped[int] = mapped_column(server_default="0")
    company: Mapped[int] = mapped_column(server_default="0")
    owner: Mapped[uuid.UUID | None]
    lease_until: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    compute_ms: Mapped[float | None]
    work: Mapped[str | None]
    waits_for: Mapped[int | None]
    result_id: Mapped[int | None] = mapped_column(sa.ForeignKey("result.id"))
    reused_from: Mapped[int | None]


class Event(Base):
    """What happened to a scan, numbered without gaps: the SSE stream and its replay."""

    __tablename__ = "event"
    scan_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("scan.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    data: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(server_default=NOW)


class Worker(Base):
    """A worker child: who owns leases, on which profile. ``seen_at`` is its heartbeat."""

    __tablename__ = "worker"
    owner: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    node: Mapped[str]
    pid: Mapped[int]
    profile: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=NOW)
    seen_at: Mapped[datetime] = mapped_column(server_default=NOW, index=True)
