"""Where the ledger lives."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class DatabaseSettings(BaseSettings):
    """Settings of the ledger."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_", extra="ignore")

    database_url: SecretStr = Field(description="PostgreSQL 18 or newer: postgresql+psycopg2://user:password@host/name")
    db_pool_size: int = Field(8, ge=1, le=200, description="Most connections one process keeps")
    db_statement_timeout_ms: int = Field(5_000, ge=100, description="A statement that takes longer is given up")

    @field_validator("database_url")
    @classmethod
    def _psycopg2(cls, url: SecretStr) -> SecretStr:
        """SQLAlchemy 2.1 reads a bare ``postgresql://`` as psycopg 3, which we do not install."""
        plain = url.get_secret_value()
        for scheme in ("postgresql://", "postgres://"):
            if plain.startswith(scheme):
                return SecretStr("postgresql+psycopg2://" + plain.removeprefix(scheme))
        return url
