"""What a worker host runs: slots, GPUs, queues, and where it tells how it is."""

from __future__ import annotations

import socket
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.contracts import Queue
from pipeline.setting_names import also


class WorkerSettings(BaseSettings):
    """Settings of ``scanmill worker``."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_WORKER_", populate_by_name=True, extra="ignore")

    slots: int = Field(
        1,
        ge=0,
        le=256,
        validation_alias=also("SCANMILL_WORKER_SLOTS", "NUM_WORKERS"),
        description="CPU slots: child processes of one thread each",
    )
    use_gpu: bool | None = Field(
        None,
        validation_alias=also("SCANMILL_WORKER_USE_GPU", "USE_GPU"),
        description="True: every GPU of the host unless some are named, and no start without one. False: CPU only",
    )
    gpus: list[int] = Field([], description="GPU ids; one slot each, pinned before anything is imported")
    train_slots: int = Field(
        0, ge=0, le=64, description="Slots that train on the CPU; they need requirements/training.in"
    )
    train_gpus: list[int] = Field([], description="GPU ids; one training slot each")
    allow_cpu: bool = Field(False, description="Whether CPU slots also take the gpu queues")
    host: str = Field(socket.gethostname(), description="Name after the @ of a slot's node name")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of /metrics on loopback; 0 for none")
    metrics_host: str = Field("127.0.0.1", description="Address that /metrics listens on")
    stop_grace_s: float = Field(20.0, ge=0, description="Seconds a stage may finish in when the worker is stopped")

    @model_validator(mode="after")
    def _gpu_or_not(self) -> Self:
        if self.use_gpu is False and self.gpus:
            raise ValueError("USE_GPU is false, but GPUs are named: leave one of the two out")
        return self


class SlotSettings(BaseSettings):
    """What the supervisor tells one slot's processes. Set by it, not by people."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_SLOT_", extra="ignore")

    node: str = Field(description="Node name, as Flower shows it")
    queues: str = Field(description="Kinds of queues it serves, separated by commas")
    board: str = Field(description="File in which the child says who it is and what it is at")

    @property
    def kinds(self) -> tuple[Queue, ...]:
        return tuple(Queue(kind) for kind in self.queues.split(","))
