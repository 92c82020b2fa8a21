"""Fixtures of whole servers that only some tests need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from pydantic import SecretStr

from storage.settings import StorageSettings
from tests.servers.swift import Swift

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "scans"


@dataclass(frozen=True)
class S3Server:
    """A running S3 server that checks signatures, with one bucket."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str

    def settings(self, prefix: str, **changes: Any) -> StorageSettings:
        """Settings of a storage below a prefix of the bucket."""
        given: dict[str, Any] = {
            "storage_url": f"s3://{self.bucket}/{prefix}",
            "s3_endpoint": self.endpoint,
            "s3_access_key": SecretStr(self.access_key),
            "s3_secret_key": SecretStr(self.secret_key),
        }
        return StorageSettings(**{**given, **changes})

    def environment(self, prefix: str) -> dict[str, str]:
        """The settings that make other processes use it."""
        return {
            "SCANMILL_STORAGE_URL": f"s3://{self.bucket}/{prefix}",
            "SCANMILL_S3_ENDPOINT": self.endpoint,
            "SCANMILL_S3_ACCESS_KEY": self.access_key,
            "SCANMILL_S3_SECRET_KEY": self.secret_key,
        }

    def client(self) -> S3Client:
        """A client that is not ours, to look and to break things underneath."""
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )


@pytest.fixture(scope="session")
def s3_server(server_folder: Path) -> Iterator[S3Server]:
    """One S3 server (OpenStack Swift) for this test process."""
    swift = Swift(server_folder / "swift")
    swift.start()
    server = S3Server(swift.endpoint, swift.access_key, swift.secret_key, BUCKET)
    server.client().create_bucket(Bucket=BUCKET)
    yield server
    swift.destroy()
