"""How work is dealt out: broker, micro-batches, leases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.setting_names import also


class TaskSettings(BaseSettings):
    """Settings of the queue, shared by API, control and workers."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_", populate_by_name=True, extra="ignore")

    env: Literal["production", "development", "test"] = Field(
        "production", validation_alias=also("SCANMILL_ENV", "FLASK_ENV"), description="Fault plans need test"
    )
    redis_url: SecretStr = Field(description="The doorbell: redis://:password@host:port/0. Its data is disposable")
    batch_size: int = Field(
        16,
        ge=1,
        le=256,
        validation_alias=also("SCANMILL_BATCH_SIZE", "BATCH_SIZE"),
        description="Most stage runs that one task works on together",
    )
    lease_s: float = Field(30.0, ge=1, le=600, description="Seconds a claim lasts without a heartbeat")
    poll_s: float = Field(1.0, ge=0.05, le=60, description="Seconds between looks for work that nobody rang for")
    bulk_window: int = Field(512, ge=1, description="Bulk scans under way at once; the others wait in the ledger")
    interactive_window: int = Field(
        16, ge=1, description="Interactive scans of one tenant under way at once; the others wait in the ledger"
    )
    cache_mb: int = Field(256, ge=0, description="Arrays one worker keeps in memory between stages")
    debug_lifetime_s: float = Field(86_400, ge=0, description="Seconds until a scan's artifact `debug` is removed")
    fault_plan: str = Field("", description="Kill points for tests (JSON); refused unless env is test")
    extra_pipelines: list[str] = Field([], description="module:NAME of pipelines for benchmarks; needs env test")

    @model_validator(mode="after")
    def _only_in_tests(self) -> TaskSettings:
        if self.env != "test" and (self.fault_plan or self.extra_pipelines):
            raise ValueError("SCANMILL_FAULT_PLAN and SCANMILL_EXTRA_PIPELINES need SCANMILL_ENV=test")
        return self


def _plain(roots: list[Path]) -> list[Path]:
    if any(not root.is_absolute() or ".." in root.parts or root == Path("/") for root in roots):
        raise ValueError("every root is an absolute folder, without .. in it, and not the whole disk")
    return roots


Roots = Annotated[list[Path], AfterValidator(_plain)]


class BatchSettings(BaseSettings):
    """Batches whose source lies on the server. Shared by API and control."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_BATCH_", extra="ignore")

    roots: Roots = Field([], description="Folders below which a batch may take a server's folder, as a JSON list")
    page: int = Field(200, ge=1, le=5_000, description="Lines of such a source that one transaction takes")
    page_s: float = Field(5.0, gt=0, le=60, description="Seconds after which a page is closed with what it has")


class TrainingSettings(BaseSettings):
    """What training may read, and how it is broken off. Shared by API and trainers."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_TRAINING_", extra="ignore")

    roots: Roots = Field([], description="Folders below which a training's data may lie, as a JSON list")
    stop_grace_s: float = Field(10.0, ge=0, description="Seconds a training may take to write its checkpoint")
    threads: int = Field(2, ge=1, le=256, description="Threads of a training, and processes that draw its pictures")
