"""Settings of training, from the environment."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class TrackingSettings(BaseSettings):
    """Read from ``SCANMILL_*``."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_", populate_by_name=True, extra="ignore")

    mlflow_tracking_uri: str = Field(
        default="", description="Where training runs are logged with MLflow; empty: nowhere."
    )
