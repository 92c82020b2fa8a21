"""Slow, broken and rude clients of the real server: they are refused in the one shape and cost nobody a thread."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from storage import open_storage
from storage.settings import StorageSettings
from tests.integration.api.harness import Api
from tests.integration.api.pictures import jpeg
from tests.integration.api.server import Server, count, head, read_all, submit

pytest_plugins = ("tests.integration.api.fixtures",)


def test_q25_length_and_chunked_at_once_is_refused_in_the_one_shape(api: Api, server: Server) -> None:
    answer = server.exchange(head(api, "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n")
    refused, body = answer.split(b"\r\n\r\n", 1)
    assert refused.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in refused
    assert json.loads(body)["code"] == "INVALID_REQUEST"
    assert count(api) == 0


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 9_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 5_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(100)) + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000,
    ],
)
def test_a_request_that_is_none_is_refused_in_the_one_shape(server: Server, request_bytes: bytes) -> None:
    refused, body = server.exchange(request_bytes).split(b"\r\n\r\n", 1)
    assert refused.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["code"] == "INVALID_REQUEST"


def test_a7_slow_clients_hold_no_thread_and_are_given_up(api: Api, server: Server, client: httpx.Client) -> None:
    """Ten times as many slow uploads as there are threads, and the others do not notice."""
    stop, slow = threading.Event(), [server.connect() for _ in range(40)]
    for connection in slow:
        connection.sendall(head(api, "Content-Type: multipart/form-data; boundary=B", "Content-Length: 100000"))

    def drip() -> None:
        while not stop.wait(0.2):
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.send(b"x")

    with ThreadPoolExecutor() as pool:
        dripping = pool.submit(drip)
        began = time.monotonic()
        worst = 0.0
        while time.monotonic() - began < 1.5:
            asked = time.monotonic()
            assert submit(client).status_code in (200, 202)
            worst = max(worst, time.monotonic() - asked)
        assert worst < 1
        answers = [read_all(connection) for connection in slow]
        assert time.monotonic() - began < 8
        stop.set()
        for connection in slow:
            connection.close()
        dripping.result()
    assert {answer.split(b" ")[1] for answer in answers} == {b"408"}
    assert {json.loads(answer.split(b"\r\n\r\n", 1)[1])["code"] for answer in answers} == {"REQUEST_TIMEOUT"}


def test_a_large_body_that_stops_is_given_up(api: Api, server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(head(api, "Content-Type: multipart/form-data; boundary=B", "Content-Length: 5000000"))
        connection.sendall(b'--B\r\nContent-Disposition: form-data; name="file"; filename="c"\r\n\r\n' + b"x" * 1_000)
        answer = read_all(connection)
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["code"] == "REQUEST_TIMEOUT"
    assert b"Connection: close" in answer


def test_photos_that_come_slowly_take_no_place_and_all_arrive(api: Api, server: Server) -> None:
    """Six photos of 3 MB at once where two threads may read uploads."""
    fill = b"\x00" * (3 * 2**20)
    bodies = [
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="c"\r\n\r\n'
        + jpeg(shade=n)
        + fill
        + b"\r\n--B--"
        for n in range(6)
    ]
    senders = [server.connect() for _ in bodies]
    for sender, body in zip(senders, bodies, strict=True):
        sender.sendall(
            head(
                api,
                "Connection: close",
                "Content-Type: multipart/form-data; boundary=B",
                f"Content-Length: {len(body)}",
            )
        )
    for start in range(0, len(bodies[0]) + 1_000, 500_000):
        for sender, body in zip(senders, bodies, strict=True):
            sender.sendall(body[start : start + 500_000])
        time.sleep(0.05)
    answers = [read_all(sender) for sender in senders]
    for sender in senders:
        sender.close()
    assert {answer.split(b" ")[1] for answer in answers} == {b"202"}


def test_large_uploads_leave_threads_to_others(api: Api, server: Server, client: httpx.Client) -> None:
    senders = [server.connect() for _ in range(3)]
    for sender in senders:
        sender.sendall(
            head(api, "Content-Type: multipart/form-data; boundary=B", "Content-Length: 19000000") + b"--B\r\n"
        )
        time.sleep(0.2)
    refused = read_all(senders[2])
    assert b" 503 " in refused.split(b"\r\n")[0]
    assert json.loads(refused.split(b"\r\n\r\n", 1)[1])["code"] == "OVERLOADED"
    assert client.get("/v1/scans").status_code == 200
    for sender in senders:
        sender.close()


def test_clients_that_do_not_read_are_given_up(server: Server) -> None:
    """Twice as many as there are threads ask for a large file and take nothing of it."""
    folder = server.environment["SCANMILL_STORAGE_URL"]
    storage = open_storage(StorageSettings(storage_url=folder, storage_signing_key=SecretStr("k" * 64)))
    storage.put("large", b"x" * (15 * 2**20), "image/jpeg")
    link = storage.signed_url("large", expires_s=60, media_type="image/jpeg", filename="large.jpg")
    clients = [server.connect() for _ in range(8)]
    for each in clients:
        each.sendall(f"GET {link} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert httpx.get(f"{server.url}/health", timeout=15).status_code == 200
    for each in clients:
        each.close()


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"5\r\nhello", b"5\r\nhelloXX0\r\n\r\n"])
def test_broken_chunks_are_refused_in_the_one_shape(api: Api, server: Server, chunks: bytes) -> None:
    with server.connect() as connection:
        connection.sendall(head(api, "Content-Type: application/json", "Transfer-Encoding: chunked") + chunks)
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["code"] == "INVALID_REQUEST"


def test_a_large_picture_is_taken(api: Api, client: httpx.Client) -> None:
    picture = jpeg() + b"\x00" * (15 * 2**20)
    answer = client.post("/v1/scans", files={"file": ("cat.jpg", picture)})
    assert answer.status_code == 202
    chunks = (picture[start : start + 100_000] for start in range(0, len(picture), 100_000))
    wrapped = [b'--B\r\nContent-Disposition: form-data; name="file"; filename="c"\r\n\r\n', *chunks, b"\r\n--B--\r\n"]
    chunked = client.post(
        "/v1/scans", content=iter(wrapped), headers={"Content-Type": "multipart/form-data; boundary=B"}
    )
    assert chunked.status_code in (200, 202)


def test_a_body_that_is_far_too_large_is_answered_before_it_is_here(api: Api, server: Server) -> None:
    """The refusal arrives although the client is still sending: it is not cut off by a reset."""
    with server.connect() as connection:
        connection.sendall(head(api, "Content-Type: multipart/form-data; boundary=B", "Content-Length: 40000000"))
        for _ in range(400):
            connection.sendall(b"x" * 100_000)
        answer = read_all(connection)
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["code"] == "FILE_TOO_LARGE"


def test_a8_a_client_that_leaves_mid_upload_leaves_nothing(api: Api, server: Server, client: httpx.Client) -> None:
    storage = Path(server.environment["SCANMILL_STORAGE_URL"].removeprefix("file://"))
    before = sorted(storage.rglob("*"))
    for length in (1_000, 5_000_000):
        with server.connect() as connection:
            connection.sendall(head(api, "Content-Type: multipart/form-data; boundary=B", f"Content-Length: {length}"))
            connection.sendall(b'--B\r\nContent-Disposition: form-data; name="file"; filename="c"\r\n\r\nxx')
            connection.shutdown(socket.SHUT_RDWR)
    assert client.get("/v1/scans").json()["items"] == []
    assert count(api) == 0
    assert sorted(storage.rglob("*")) == before


def test_requests_sent_together_are_answered_in_order(api: Api, server: Server) -> None:
    one = head(api, method="GET", path="/health")
    body = b'{"x": 1}'
    two = head(api, "Content-Type: application/json", f"Content-Length: {len(body)}", path="/v1/keys") + body
    three = head(api, "Connection: close", method="GET", path="/v1/system")
    answers = server.exchange(one + two + three).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"422", b"200"]
    assert b"submitted" in answers[2]
