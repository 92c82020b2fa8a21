"""Storage in a bucket of S3 or of a server that speaks its protocol. The only room that knows boto3."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import FileTooLarge, InputCorrupt, InputMissing, SourceRefused, StorageUnavailable
from storage.base import READS, WRITES, ObjectInfo, check_link, probe
from storage.keys import check_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

    from storage.settings import StorageSettings

_CONNECTIONS = 32
_SESSION_LOCK = Lock()
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_OBJECT = frozenset({"NoSuchKey", "NotFound", "404"})  # a HEAD's answer has no body, so its code is the status
_NOT_ALLOWED = frozenset({"AccessDenied", "AllAccessDisabled"})
_NO_CHECKSUMS = frozenset({"NotImplemented"})


class _BodyCut(StorageUnavailable):
    """The connection ended within an object's bytes."""


class S3Storage:
    """Objects of one bucket, below one prefix.

    Bytes are signed with the request, so a server that checks signatures takes no others. One that does not confirm
    the SHA-256 of what it stored is asked what it holds.
    """

    def __init__(self, settings: StorageSettings) -> None:
        self._bucket = settings.bucket
        self._prefix = settings.prefix
        self._client = _client(settings, settings.s3_endpoint)
        public = settings.s3_public_endpoint
        self._signer = _client(settings, public) if public else self._client
        self._checksums = True

    def put(self, key: str, content: bytes, media_type: str) -> None:
        digest = hashlib.sha256(content).digest()
        for _ in range(WRITES):
            if self._write(key, content, media_type, digest):
                return
            kept = self.head(key)
            if kept is not None and kept.size == len(content) and kept.sha256 == digest.hex():
                return
        raise StorageUnavailable(f"{key} was acknowledged {WRITES} times and not kept as sent")

    def get(self, key: str, sha256: str | None = None, *, max_bytes: int | None = None) -> bytes:
        cut = None
        for _ in range(READS):
            try:
                content, kept = self._read(key, max_bytes)
            except _BodyCut as error:
                cut = error
                continue
            wanted = sha256 or kept
            if wanted is None or hashlib.sha256(content).hexdigest() == wanted:
                return content
            cut = None
        raise cut or InputCorrupt(f"{key} is not what was stored")

    def head(self, key: str) -> ObjectInfo | None:
        with _translated(f"head {key}"):
            try:
                answer = self._client.head_object(**self._place(key))
            except ClientError as error:
                if _code(error) in _NO_OBJECT:
                    return None
                raise
        return ObjectInfo(answer["ContentLength"], answer["ContentType"], _digest(answer["Metadata"]))

    def delete(self, key: str) -> None:
        with _translated(f"delete {key}"):
            try:
                self._client.delete_object(**self._place(key))
            except ClientError as error:
                if _code(error) not in _NO_OBJECT:
                    raise

    def walk(self, folder: str, after: str = "") -> Iterator[str]:
        check_key(folder)
        below, last = f"{self._prefix}{folder}/", after
        while True:
            page = self._list(below, last)
            for entry in page.get("Contents", ()):
                last = entry["Key"].removeprefix(below)
                if last and not last.endswith("/"):  # some tools store an empty object as a folder
                    yield last
            if not page["IsTruncated"]:
                return

    def _list(self, below: str, after: str) -> ListObjectsV2OutputTypeDef:
        start: dict[str, Any] = {"StartAfter": f"{below}{after}"} if after else {}
        with _translated(f"list {below}"):
            try:
                return self._client.list_objects_v2(Bucket=self._bucket, Prefix=below, **start)
            except ClientError as error:
                if _code(error) in _NOT_ALLOWED:
                    raise SourceRefused(f"cannot list {below}") from error
                raise

    def signed_url(self, key: str, *, expires_s: int, media_type: str, filename: str) -> str:
        check_link(expires_s, media_type, filename)
        answer = {"ResponseContentType": media_type, "ResponseContentDisposition": attachment(filename)}
        with _translated(f"sign {key}"):
            return self._signer.generate_presigned_url(
                "get_object", Params={**self._place(key), **answer}, ExpiresIn=expires_s
            )

    def check(self) -> None:
        probe(self)

    def create_bucket(self) -> None:
        """Make the bucket unless it is there: for setting a server up, never on the way of a scan."""
        with _translated(f"create bucket {self._bucket}"):
            try:
                self._client.create_bucket(Bucket=self._bucket)
            except ClientError as error:
                if _code(error) not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                    raise

    def _write(self, key: str, content: bytes, media_type: str, digest: bytes) -> bool:
        """Send an object; whether the server confirms that it stored these very bytes."""
        checksum = base64.b64encode(digest).decode()
        what: dict[str, Any] = {"Body": content, "ContentType": media_type, "Metadata": {"sha256": digest.hex()}}
        with _translated(f"put {key}"):
            if self._checksums:
                try:
                    answer = self._client.put_object(**self._place(key), **what, ChecksumSHA256=checksum)
                    return answer.get("ChecksumSHA256") == checksum
                except ClientError as error:
                    if _code(error) not in _NO_CHECKSUMS:
                        raise
                    self._checksums = False
            self._client.put_object(**self._place(key), **what)
            return False

    def _read(self, key: str, max_bytes: int | None) -> tuple[bytes, str | None]:
        """An object's bytes, and the SHA-256 noted when we stored it."""
        with _translated(f"get {key}"):
            try:
                answer = self._client.get_object(**self._place(key))
            except ClientError as error:
                if _code(error) in _NO_OBJECT:
                    raise InputMissing(key) from error
                raise
        with closing(answer["Body"]) as body:
            if max_bytes is not None and answer["ContentLength"] > max_bytes:
                raise FileTooLarge(f"{key} is larger than {max_bytes} bytes")
            try:
                return body.read(), _digest(answer["Metadata"])
            except BotoCoreError as error:
                raise _BodyCut(f"get {key}: {error}") from error

    def _place(self, key: str) -> dict[str, Any]:
        check_key(key)
        return {"Bucket": self._bucket, "Key": f"{self._prefix}{key}"}


def attachment(filename: str) -> str:
    """A Content-Disposition that saves under any name and shows nothing: RFC 6266, with a plain name for old clients."""
    plain = "".join(letter if letter.isascii() and letter not in '"\\%;' else "_" for letter in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _client(settings: StorageSettings, endpoint: str | None) -> S3Client:
    access, secret = settings.s3_access_key, settings.s3_secret_key
    config = Config(
        signature_version="s3v4",
        connect_timeout=settings.s3_connect_timeout_s,
        read_timeout=settings.s3_read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": settings.s3_attempts},
        max_pool_connections=_CONNECTIONS,
        request_checksum_calculation="when_required",  # SHA-256 is computed once, by us
        response_checksum_validation="when_required",  # and compared by us: some servers answer with half a checksum
        s3={
            "addressing_style": "path" if settings.s3_path_style else "virtual",
            "payload_signing_enabled": True,
        },
    )
    with _SESSION_LOCK:
        return _session().client(
            "s3",
            endpoint_url=endpoint,
            region_name=settings.s3_region,
            aws_access_key_id=access.get_secret_value() if access else None,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            config=config,
        )


@cache
def _session() -> boto3.session.Session:
    """Ours alone, since making clients is not thread-safe; kept, since it reads a third of a second's worth of JSON."""
    return boto3.session.Session()


@contextmanager
def _translated(action: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StorageUnavailable(f"cannot {action}: {error}") from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _digest(metadata: dict[str, str]) -> str | None:
    noted = metadata.get("sha256", "")
    return noted if _SHA256.fullmatch(noted) else None
