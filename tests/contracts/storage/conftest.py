"""Both storages, each with a hand that reaches underneath and a way to follow its links."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from storage import Storage, open_storage
from storage.local import LocalStorage
from storage.s3 import S3Storage
from storage.settings import StorageSettings
from tests.servers.plugin import S3Server, s3_server

__all__ = ["s3_server"]


@dataclass(frozen=True)
class Download:
    status: int
    content: bytes
    media_type: str
    disposition: str


class Kept(Protocol):
    """A storage as its contract sees it, and what tests need besides."""

    storage: Storage

    def damage(self, key: str, content: bytes) -> None:
        """Put other bytes in an object's place, as a bad disk would: what is noted of it stays."""

    def foreign(self, key: str, content: bytes) -> None:
        """Put an object as somebody else does, who knows nothing of our notes."""

    def follow(self, url: str) -> Download:
        """What somebody without credentials gets for a link."""

    def keys(self) -> list[str]:
        """All objects."""


class KeptLocally:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.storage = open_storage(StorageSettings(storage_url=f"file://{root}", storage_signing_key="k" * 32))

    def damage(self, key: str, content: bytes) -> None:
        (self.root / key).write_bytes(content)

    def foreign(self, key: str, content: bytes) -> None:
        (self.root / key).parent.mkdir(parents=True, exist_ok=True)
        (self.root / key).write_bytes(content)

    def follow(self, url: str) -> Download:
        """As the API's route for files does it."""
        assert isinstance(self.storage, LocalStorage)
        parts = urlsplit(url)
        key, query = unquote(parts.path.removeprefix("/v1/files/")), dict(parse_qsl(parts.query))
        if not self.storage.verify(key, query):
            return Download(403, b"", "", "")
        return Download(200, self.storage.get(key), query["type"], f"attachment; {query['name']}")

    def keys(self) -> list[str]:
        found = [path.relative_to(self.root) for path in self.root.rglob("*") if path.is_file()]
        return sorted(str(path) for path in found if not path.parts[0].startswith("."))


class KeptInBucket:
    prefix = "contract"

    def __init__(self, server: S3Server) -> None:
        self.server = server
        self.client = server.client()
        self.storage = open_storage(server.settings(self.prefix))
        assert isinstance(self.storage, S3Storage)

    def damage(self, key: str, content: bytes) -> None:
        place = f"{self.prefix}/{key}"
        noted = self.client.head_object(Bucket=self.server.bucket, Key=place)["Metadata"]
        assert noted["sha256"]
        self.client.put_object(Bucket=self.server.bucket, Key=place, Body=content, Metadata=noted)

    def foreign(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.server.bucket, Key=f"{self.prefix}/{key}", Body=content)

    def follow(self, url: str) -> Download:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, timeout=10) as answer:
                headers = answer.headers
                return Download(answer.status, answer.read(), headers["Content-Type"], headers["Content-Disposition"])
        except urllib.error.HTTPError as error:
            with error:
                return Download(error.code, b"", "", "")

    def keys(self) -> list[str]:
        listed = self.client.list_objects_v2(Bucket=self.server.bucket, Prefix=f"{self.prefix}/")
        return sorted(entry["Key"].removeprefix(f"{self.prefix}/") for entry in listed.get("Contents", []))

    def empty(self) -> None:
        while keys := self.keys():  # a page of them at a time
            self._delete(keys)

    def _delete(self, keys: list[str]) -> None:
        for key in keys:
            self.client.delete_object(Bucket=self.server.bucket, Key=f"{self.prefix}/{key}")


@pytest.fixture(scope="session")
def kept_in_bucket(s3_server: S3Server) -> KeptInBucket:
    """Made once: a client of boto3 takes half a second to make."""
    return KeptInBucket(s3_server)


@pytest.fixture(params=["local", "s3"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    if request.param == "local":
        return KeptLocally(tmp_path / "storage")
    in_bucket: KeptInBucket = request.getfixturevalue("kept_in_bucket")
    in_bucket.empty()
    return in_bucket
