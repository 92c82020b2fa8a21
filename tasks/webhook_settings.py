"""Whom webhooks may be sent to, and with how much patience. Shared by API and control."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from storage.settings import FetchSettings, Words


class WebhookSettings(BaseSettings):
    """Read from ``SCANMILL_WEBHOOK_*``. Ports, own networks and certificates are those of ``SCANMILL_URL_*``."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_WEBHOOK_", extra="ignore")

    allow: Words = Field(
        default=frozenset(),
        description="host or host:port, by commas, sent to in spite of address, port and http; no port means 80 and 443.",
    )
    connect_s: float = Field(5.0, gt=0, le=60, description="Seconds to reach a receiver, and as many for TLS")
    timeout_s: float = Field(15.0, gt=0, le=60, description="Seconds for a whole delivery; its lease is twice as long")
    senders: int = Field(16, ge=1, le=64, description="Deliveries that one control has on their way at once")
    each: int = Field(4, ge=1, le=64, description="Those to one webhook; 1 while it fails")
    keep_days: int = Field(30, ge=4, le=3650, description="Days after which a delivery and its log are removed")

    @property
    def lease_s(self) -> float:
        return 2 * self.timeout_s

    def rules(self, fetch: FetchSettings | None = None) -> FetchSettings:
        """Rules and bounds of one delivery: those of fetching, with hosts and times of these settings."""
        changed = {
            "url_allow": self.allow,
            "fetch_connect_s": self.connect_s,
            "fetch_tls_s": self.connect_s,
            "fetch_head_s": self.timeout_s,
            "fetch_total_s": self.timeout_s,
        }
        return (fetch or FetchSettings()).model_copy(update=changed)
