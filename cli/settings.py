"""What the command line takes from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ClientSettings(BaseSettings):
    """Which service the client verbs talk to, and as whom."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_", extra="ignore")

    api_url: str = Field("http://127.0.0.1:8080", description="Address of the service")
    api_key: SecretStr | None = Field(None, description="API key (sk_…); `scanmill keys create` makes one")


class LocalSettings(BaseSettings):
    """Where `up` and `demo` keep their data."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_", extra="ignore")

    var: Path = Field(Path("var"), description="Folder of the embedded servers, the artifacts and the logs")
