"""An S3 server that fails in each way servers fail, and what comes of it. The rows are those of the fault matrix."""

from __future__ import annotations

import base64
import hashlib
import socket
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.errors import InputCorrupt, InputMissing, SourceRefused, StorageUnavailable
from storage.s3 import S3Storage
from storage.settings import StorageSettings
from tests.servers.faulty_s3 import Faults, FaultyS3

CONTENT = b"content of an object " * 100
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Setup:
    """A storage on a faulty server."""

    def __init__(self, port: int, faults: Faults, objects: dict[str, tuple[bytes, dict[str, str]]]) -> None:
        self.faults = faults
        self.objects = objects
        self.port = port
        self.storage = self.open()

    def open(self, **changes: Any) -> S3Storage:
        given: dict[str, Any] = {
            "storage_url": "s3://scans",
            "s3_endpoint": f"http://127.0.0.1:{self.port}",
            "s3_access_key": SecretStr("access"),
            "s3_secret_key": SecretStr("secret"),
            "s3_connect_timeout_s": 1,
            "s3_read_timeout_s": 0.5,
        }
        return S3Storage(StorageSettings(**{**given, **changes}))

    def put(self) -> None:
        self.storage.put("t/x", CONTENT, "image/png")


@pytest.fixture
def server() -> Iterator[Setup]:
    faults = Faults()
    objects: dict[str, tuple[bytes, dict[str, str]]] = {}
    handler = type("Handler", (FaultyS3,), {"faults": faults, "objects": objects})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        listening.daemon_threads = True
        thread = Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield Setup(listening.server_address[1], faults, objects)
        listening.shutdown()
        thread.join()


def test_at_its_best_one_request_each(server: Setup):
    server.faults.confirms = True
    server.put()
    assert server.storage.get("t/x", DIGEST) == CONTENT
    assert server.faults.requests == ["PUT", "GET"]


def test_a_server_that_confirms_nothing_is_asked_what_it_holds(server: Setup):
    server.put()
    assert server.faults.requests == ["PUT", "HEAD"]


def test_s1_slow_down_three_times_is_waited_for(server: Setup):
    server.faults.errors = [(503, "SlowDown")] * 3
    server.put()
    server.faults.errors = [(500, "InternalError")] * 3
    assert server.storage.get("t/x", DIGEST) == CONTENT


def test_s2_a_server_that_is_down_is_told_within_seconds(server: Setup):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        away = server.open(s3_endpoint=f"http://127.0.0.1:{unused.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(StorageUnavailable):
            away.put("t/x", CONTENT, "image/png")
        assert time.monotonic() - began < 20  # three pauses of at most 1, 2 and 4 s


def test_s2_errors_without_end_are_storage_away(server: Setup):
    server.faults.errors = [(503, "SlowDown")] * 10
    with pytest.raises(StorageUnavailable):
        server.open(s3_attempts=2).head("t/x")


def test_s3_a_server_that_hangs_is_asked_again_and_then_given_up(server: Setup):
    server.faults.hangs = 1
    server.put()
    server.faults.hangs = 2
    with pytest.raises(StorageUnavailable):
        server.open(s3_attempts=2).get("t/x")


def test_s4_a_download_that_breaks_off_is_read_again(server: Setup):
    server.put()
    server.faults.cuts = [0, 1000]
    assert server.storage.get("t/x", DIGEST) == CONTENT


def test_s4_a_download_that_always_breaks_off_is_storage_away(server: Setup):
    server.put()
    server.faults.cuts = [10] * 10
    with pytest.raises(StorageUnavailable):
        server.storage.get("t/x", DIGEST)


def test_s5_an_object_kept_short_is_written_again(server: Setup):
    server.faults.keeps = [100, 0]
    server.put()
    assert server.objects["/scans/t/x"][0] == CONTENT


def test_s5_an_object_always_kept_short_is_never_taken_for_stored(server: Setup):
    server.faults.keeps = [100] * 10
    with pytest.raises(StorageUnavailable):
        server.put()


def test_s6_a_deleted_object_is_missing(server: Setup):
    server.put()
    server.objects.clear()
    with pytest.raises(InputMissing):
        server.storage.get("t/x", DIGEST)


@pytest.mark.parametrize("digest", [DIGEST, None], ids=["digest-given", "digest-noted"])
def test_s7_wrong_bytes_are_read_again(server: Setup, digest: str | None):
    server.put()
    server.faults.flips = 2
    assert server.storage.get("t/x", digest) == CONTENT


@pytest.mark.parametrize("digest", [DIGEST, None], ids=["digest-given", "digest-noted"])
def test_s7_bytes_that_stay_wrong_are_corrupt(server: Setup, digest: str | None):
    server.put()
    server.faults.flips = 10
    with pytest.raises(InputCorrupt):
        server.storage.get("t/x", digest)
    assert server.faults.requests.count("GET") == 3


@pytest.mark.parametrize("code", ["ExpiredToken", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_s9_refused_credentials_are_storage_away(server: Setup, code: str):
    for action in (
        server.put,
        lambda: server.storage.get("t/x"),
        lambda: server.storage.head("t/x"),
        lambda: server.storage.delete("t/x"),
        server.storage.check,
    ):
        server.faults.errors = [(403, code)]
        with pytest.raises(StorageUnavailable):
            action()


def test_a_bucket_that_is_not_there_is_storage_away(server: Setup):
    for action in (server.put, lambda: server.storage.get("t/x")):
        server.faults.errors = [(404, "NoSuchBucket")]
        with pytest.raises(StorageUnavailable):
            action()


def test_no_credentials_at_all_are_storage_away(server: Setup, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    bare = server.open(s3_access_key=None, s3_secret_key=None)
    with pytest.raises(StorageUnavailable):
        bare.check()


def test_a_server_that_knows_no_checksums_is_asked_what_it_holds(server: Setup):
    server.faults.knows_checksums = False
    server.put()
    server.put()
    assert server.faults.requests == ["PUT", "PUT", "HEAD", "PUT", "HEAD"]


def test_a_probe_that_comes_back_otherwise_is_storage_away(server: Setup):
    server.faults.confirms = True
    server.faults.flips = 3
    with pytest.raises(StorageUnavailable):
        server.storage.check()


def test_links_are_signed_for_the_public_endpoint(server: Setup):
    public = server.open(s3_public_endpoint="https://files.example")
    url = public.signed_url("t/x", expires_s=60, media_type="image/png", filename="x.png")
    assert url.startswith("https://files.example/scans/t/x?")
    assert server.faults.requests == []


def test_the_checksum_is_of_the_content(server: Setup):
    server.faults.confirms = True
    server.put()
    assert server.faults.checksums == [base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()]


@pytest.mark.parametrize(
    ("code", "error"), [("AccessDenied", SourceRefused), ("SignatureDoesNotMatch", StorageUnavailable)]
)
def test_a_list_that_is_forbidden_is_final_and_wrong_credentials_are_not(
    server: Setup, code: str, error: type[Exception]
) -> None:
    server.faults.errors = [(403, code)]
    with pytest.raises(error):
        list(server.storage.walk("t/in"))
    assert server.faults.requests == ["GET"]
