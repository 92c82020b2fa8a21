"""Where bytes lie, and which addresses may be fetched."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pipeline.setting_names import also

_SHORTEST_SIGNING_KEY = 32


class StorageSettings(BaseSettings):
    """Read from ``SCANMILL_*``. Which of them are needed depends on the kind of ``storage_url``."""

    model_config = SettingsConfigDict(
        env_prefix="SCANMILL_", populate_by_name=True, extra="ignore", hide_input_in_errors=True
    )

    storage_url: str = Field(description="`file:///absolute/folder` or `s3://bucket/prefix`.")
    storage_signing_key: SecretStr | None = Field(
        default=None, description="Signs download links of a local folder; 32 characters or more."
    )
    s3_endpoint: str | None = Field(
        default=None,
        validation_alias=also("SCANMILL_S3_ENDPOINT", "STORAGE_SERVICE_URL"),
        description="URL of an S3-compatible server; none means AWS.",
    )
    s3_public_endpoint: str | None = Field(
        default=None, description="URL by which clients reach the server, for signed links; none: the same."
    )
    s3_region: str = Field(default="us-east-1", description="Region that requests are signed for.")
    s3_path_style: bool = Field(default=True, description="Bucket in the path; false: in the host name.")
    s3_access_key: SecretStr | None = Field(
        default=None, description="Access key; none takes the host's own role or AWS_* variables."
    )
    s3_secret_key: SecretStr | None = Field(
        default=None, validation_alias=also("SCANMILL_S3_SECRET_KEY", "STORAGE_API_KEY"), description="Secret key."
    )
    s3_connect_timeout_s: float = Field(default=3.0, gt=0, description="Seconds to wait for a connection.")
    s3_read_timeout_s: float = Field(default=20.0, gt=0, description="Seconds to wait for the next bytes.")
    s3_attempts: int = Field(default=4, ge=1, le=10, description="Tries of one request, with growing pauses.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "file":
            if not self.storage_url.startswith("file:///") or self.folder == Path("/"):
                raise ValueError("SCANMILL_STORAGE_URL: a folder is written file:///absolute/folder")
            if len(self.signing_key) < _SHORTEST_SIGNING_KEY:
                raise ValueError("SCANMILL_STORAGE_SIGNING_KEY: a local folder needs one of 32 characters or more")
        elif not self.bucket:
            raise ValueError("SCANMILL_STORAGE_URL: a bucket is written s3://bucket/prefix")
        elif (self.s3_access_key is None) != (self.s3_secret_key is None):
            raise ValueError("SCANMILL_S3_ACCESS_KEY and SCANMILL_S3_SECRET_KEY: both or neither")
        return self

    @property
    def kind(self) -> Literal["file", "s3"]:
        scheme = self.storage_url.partition("://")[0]
        if scheme == "file":
            return "file"
        if scheme == "s3":
            return "s3"
        raise ValueError("SCANMILL_STORAGE_URL: file:///absolute/folder or s3://bucket/prefix")

    @property
    def folder(self) -> Path:
        return Path(unquote(self.storage_url.removeprefix("file://")))

    @property
    def signing_key(self) -> bytes:
        return self.storage_signing_key.get_secret_value().encode() if self.storage_signing_key else b""

    @property
    def bucket(self) -> str:
        return self.storage_url.removeprefix("s3://").partition("/")[0]

    @property
    def prefix(self) -> str:
        """What all our keys begin with: empty, or ending in a slash."""
        prefix = self.storage_url.removeprefix("s3://").partition("/")[2].strip("/")
        return f"{prefix}/" if prefix else ""


def _split(value: Any) -> Any:
    words = value.split(",") if isinstance(value, str) else value
    return [word.strip().lower() if isinstance(word, str) else word for word in words if word != ""]


def _networks(words: frozenset[str]) -> frozenset[str]:
    for word in words:
        ip_network(word)
    return words


Words = Annotated[frozenset[str], NoDecode, BeforeValidator(_split)]


class FetchSettings(BaseSettings):
    """Read from ``SCANMILL_*``. The times bound one fetch, redirects included."""

    model_config = SettingsConfigDict(env_prefix="SCANMILL_", extra="ignore", hide_input_in_errors=True)

    url_allow: Words = Field(
        default=frozenset(),
        description="host or host:port, by commas, fetched in spite of its address and port; no port means 80 and 443.",
    )
    url_deny: Annotated[Words, AfterValidator(_networks)] = Field(
        default=frozenset(), description="Networks (CIDR), by commas, that are refused too: your own public ranges."
    )
    url_ports: Annotated[frozenset[int], NoDecode, BeforeValidator(_split)] = Field(
        default=frozenset(), description="Ports, by commas, that are fetched besides 80 and 443."
    )
    url_ca_file: Path | None = Field(
        default=None, description="Certificates (PEM) that are trusted besides the system's own."
    )
    max_upload_bytes: int = Field(default=20 * 1024 * 1024, ge=1, description="Size of the largest file taken.")
    fetch_connect_s: float = Field(default=3.0, gt=0, description="Seconds to reach one address.")
    fetch_tls_s: float = Field(default=5.0, gt=0, description="Seconds to agree on TLS.")
    fetch_head_s: float = Field(default=10.0, gt=0, description="Seconds until the head of the answer is complete.")
    fetch_total_s: float = Field(default=30.0, gt=0, description="Seconds for everything.")
    fetch_window_s: float = Field(default=5.0, gt=0, description="Seconds over which the speed of a body is measured.")
    fetch_min_bytes_per_s: int = Field(default=10_000, ge=0, description="Bytes per second, at least.")

    @property
    def denied_networks(self) -> list[IPv4Network | IPv6Network]:
        return [ip_network(word) for word in sorted(self.url_deny)]

    @property
    def waived_hosts(self) -> frozenset[str]:
        """``host:port`` of everything in ``url_allow``; IPv6 addresses stand in brackets."""
        with_port = {word for word in self.url_allow if re.search(r"(^[^:]+|\]):[0-9]+$", word)}
        return frozenset(with_port | {f"{word}:{port}" for word in self.url_allow - with_port for port in (80, 443)})
