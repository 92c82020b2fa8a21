"""What only a real S3 server can show: that it refuses, is away, and ends with the tests."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline.errors import StorageUnavailable
from storage.s3 import S3Storage, attachment
from tests.servers.plugin import S3Server
from tests.servers.swift import Swift


@pytest.mark.parametrize(
    "change",
    [
        {"s3_secret_key": SecretStr("not the secret")},
        {"s3_access_key": SecretStr("nobody:here")},
        {"storage_url": "s3://no-such-bucket"},
    ],
    ids=["secret", "account", "bucket"],
)
def test_refusals_are_storage_away_and_never_a_missing_object(s3_server: S3Server, change: dict[str, object]):
    storage = S3Storage(s3_server.settings("refused", **change))
    for action in (
        lambda: storage.put("t/x", b"x", "image/png"),
        lambda: storage.get("t/x"),
        storage.check,
    ):
        with pytest.raises(StorageUnavailable):
            action()


def test_bytes_changed_on_the_way_are_refused_by_the_server(s3_server: S3Server):
    """The request's signature covers the bytes: what arrives otherwise is not stored."""
    storage = S3Storage(s3_server.settings("changed"))
    emitter = storage._client.meta.events
    emitter.register("before-send.s3.PutObject", lambda request, **_: setattr(request, "body", b"other"))
    with pytest.raises(StorageUnavailable):
        storage.put("t/x", b"bytes", "image/png")
    assert S3Storage(s3_server.settings("changed")).head("t/x") is None


def test_a_bucket_is_made_once(s3_server: S3Server):
    storage = S3Storage(s3_server.settings("", storage_url="s3://made-by-a-test/below"))
    storage.create_bucket()
    storage.create_bucket()
    storage.check()


def test_a_server_that_dies_is_storage_away_within_seconds(server_folder: Path):
    swift = Swift(server_folder / "swift-that-dies")
    swift.start()
    try:
        server = S3Server(swift.endpoint, swift.access_key, swift.secret_key, "mortal")
        storage = S3Storage(server.settings("", s3_attempts=2, s3_read_timeout_s=10))
        storage.create_bucket()
        storage.put("t/x", b"kept", "image/png")
        swift.stop()
        for action in (lambda: storage.get("t/x"), lambda: storage.put("t/y", b"y", "image/png")):
            began = time.monotonic()
            with pytest.raises(StorageUnavailable):
                action()
            assert time.monotonic() - began < 20
    finally:
        swift.destroy()


PARENT = """
import sys, time
from pathlib import Path
from tests.servers.swift import Swift

swift = Swift(Path(sys.argv[1]))
swift.start()
print(*swift.pids, flush=True)
time.sleep(60)
"""


def test_no_process_survives_a_killed_test(tmp_path: Path):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "swift")], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 4 and all(alive(pid) for pid in pids)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("a.png", "attachment; filename=\"a.png\"; filename*=UTF-8''a.png"),
        ("ü b.png", "attachment; filename=\"_ b.png\"; filename*=UTF-8''%C3%BC%20b.png"),
        ('a";x=\\.png', "attachment; filename=\"a__x=_.png\"; filename*=UTF-8''a%22%3Bx%3D%5C.png"),
    ],
)
def test_a_filename_never_ends_its_header(filename: str, header: str):
    assert attachment(filename) == header


def test_what_the_bucket_holds_is_what_was_sent(s3_server: S3Server):
    storage = S3Storage(s3_server.settings("below/here"))
    storage.put("t/x", b"content", "image/png")
    found = s3_server.client().get_object(Bucket=s3_server.bucket, Key="below/here/t/x")
    with found["Body"] as body:
        assert body.read() == b"content"
    assert found["Metadata"]["sha256"] == hashlib.sha256(b"content").hexdigest()
