"""What signs scanpacks."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.scanpack.signing import SigningKey


class SigningSettings(BaseSettings):
    """The key of scanpacks."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_", extra="ignore", hide_input_in_errors=True)

    signing_key: SecretStr | None = Field(
        None, description="Ed25519 private key that signs scanpacks: PEM, or a file's path; none: not signed"
    )

    @field_validator("signing_key")
    @classmethod
    def _readable(cls, value: SecretStr | None) -> SecretStr | None:
        """A key that cannot be read is refused at the start, not at the first pack. An empty one is none."""
        if value is None or not value.get_secret_value():
            return None
        SigningKey.read(value.get_secret_value())
        return value

    @property
    def key(self) -> SigningKey | None:
        """The key; None where packs are not signed."""
        return SigningKey.read(self.signing_key.get_secret_value()) if self.signing_key else None
