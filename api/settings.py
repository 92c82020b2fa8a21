"""How the API listens, how long it lets anyone wait, and how much it takes in."""

from __future__ import annotations

import ipaddress
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.setting_names import also


class ApiSettings(BaseSettings):
    """Settings of the API."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_API_", populate_by_name=True, extra="ignore")

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(
        8000,
        ge=0,
        le=65_535,
        validation_alias=also("SCANMILL_API_PORT", "PORT"),
        description="Port to listen on; 0 takes a free one",
    )
    fd: int | None = Field(
        None,
        ge=3,
        description="Number of an open socket to listen on, from whoever starts us; in place of host and port",
    )
    workers: int = Field(2, ge=1, le=16, description="Processes: one would make requests wait for each other")
    threads: int = Field(24, ge=2, le=256, description="Threads, and database connections, of each process")
    debug: bool = Field(
        default=False,
        validation_alias=also("SCANMILL_API_DEBUG", "FLASK_DEBUG"),
        description="Log more. Flask's debugger, which runs code for whoever asks, is never there",
    )
    open: bool = Field(default=False, description="Serve without API keys, to programs on this machine only")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/\s]+(/[^\s]*)?$",
        description="Address that clients use, if a proxy stands before us",
    )
    cors_origins: str = Field(
        "",
        pattern=r"^(https?://[^/\s,*]+(,https?://[^/\s,*]+)*)?$",
        description="Origins whose pages may call from a browser, with commas between; none: no other page may",
    )
    max_wait_s: int = Field(30, ge=0, le=120, description="Longest Prefer: wait")
    max_waits: int = Field(12, ge=0, description="Requests of one process that may wait for a scan at once")
    max_streams: int = Field(6, ge=0, description="Event streams of one process at once")
    stream_s: float = Field(600.0, gt=0, description="An event stream is ended after this long; clients come back")
    heartbeat_s: float = Field(15.0, gt=0, description="A silent event stream gets a comment this often")
    signed_url_s: int = Field(300, ge=1, le=3_600, description="Lifetime of a link to an artifact")
    key_cache_s: float = Field(2.0, ge=0, le=5, description="A key revoked elsewhere still works this long at most")
    body_timeout_s: float = Field(30.0, gt=0, description="A request slower than the least rate is given up after this")
    body_rate: int = Field(16_384, ge=1, description="Least bytes per second of a request, over its whole time")
    drain_s: int = Field(10, ge=1, description="On SIGTERM requests under way get this long")
    metrics_token: SecretStr | None = Field(None, description="If set, GET /metrics asks for it as bearer token")

    @model_validator(mode="after")
    def _threads_left(self) -> Self:
        """Waiting must never take the last threads: submits and /health need some."""
        if self.max_waits + self.max_streams > self.threads - 2:
            raise ValueError("max_waits + max_streams must leave at least two threads")
        if self.open and (self.fd is not None or not self.loopback):
            raise ValueError("open is refused unless the host is a loopback address: everybody could use the service")
        return self

    @property
    def origins(self) -> frozenset[str]:
        """What ``cors_origins`` lists."""
        return frozenset(self.cors_origins.split(",")) - {""}

    @property
    def loopback(self) -> bool:
        """Whether only programs on this machine can reach us."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
