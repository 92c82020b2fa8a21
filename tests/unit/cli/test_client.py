"""The client against a small scripted server: what it sends, when it tries again, what it raises."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli.client import Client
from cli.client_errors import ApiError, NotThatFile, Unreachable
from cli.scan import Artifact

SCAN = {"id": "0190", "system": "cat_face", "status": "queued"}


@dataclass
class Script:
    """What the server answers, in order, and what it was asked."""

    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def say(self, status: int, body: object = None, **headers: str) -> None:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.answers.append((status, {name.replace("_", "-"): value for name, value in headers.items()}, content))


@pytest.fixture
def server() -> Iterator[Script]:
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            script.asked.append((self.command, self.path, dict(self.headers), body))
            status, headers, content = script.answers.pop(0)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815  the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        script.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield script
        http.shutdown()
        thread.join()


@pytest.fixture
def client(server: Script) -> Iterator[Client]:
    with Client(server.url, "sk_a_b", timeout_s=5) as made:
        yield made


def test_a_file_is_uploaded_with_key_and_idempotency_key(server: Script, client: Client, tmp_path: Path) -> None:
    picture = tmp_path / "cat.jpg"
    picture.write_bytes(b"\xff\xd8 bytes")
    server.say(202, SCAN)
    scan = client.submit(picture, options={"remove_bg": False}, wait_s=7)
    method, path, headers, body = server.asked[0]
    assert (method, path, scan.id, scan.finished) == ("POST", "/v1/scans", "0190", False)
    assert headers["Authorization"] == "Bearer sk_a_b" and headers["Prefer"] == "wait=7"
    assert len(headers["Idempotency-Key"]) == 36
    assert b'filename="cat.jpg"' in body and b"\xff\xd8 bytes" in body and b'{"remove_bg": false}' in body


def test_an_address_is_sent_as_json(server: Script, client: Client) -> None:
    server.say(202, SCAN)
    client.submit(url="https://example.org/cat.jpg")
    assert json.loads(server.asked[0][3]) == {
        "image_url": "https://example.org/cat.jpg",
        "pipeline": "cat_face",
        "options": {},
    }


def test_exactly_one_source_is_needed(client: Client) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        client.submit(b"bytes", url="https://example.org/cat.jpg")


def test_an_overloaded_service_is_asked_again_with_the_same_idempotency_key(server: Script, client: Client) -> None:
    server.say(503, {"code": "OVERLOADED"}, Retry_After="0.01")
    server.say(502, b"<html>a proxy's page</html>")
    server.say(202, SCAN)
    assert client.submit(b"bytes").id == "0190"
    keys = {headers["Idempotency-Key"] for _, _, headers, _ in server.asked}
    assert len(server.asked) == 3 and len(keys) == 1


def test_a_refusal_is_raised_at_once_with_its_code_and_fields(server: Script, client: Client) -> None:
    errors = [{"field": "options.x", "reason": "must be true or false"}]
    server.say(422, {"code": "INVALID_FIELD", "detail": "A field is wrong.", "errors": errors})
    with pytest.raises(ApiError) as caught:
        client.submit(b"bytes")
    assert (caught.value.code, caught.value.status) == ("INVALID_FIELD", 422)
    assert "options.x must be true or false" in str(caught.value) and len(server.asked) == 1


def test_a_refusal_that_is_no_problem_document_has_a_code_too(server: Script, client: Client) -> None:
    server.say(404, b"not here")
    with pytest.raises(ApiError) as caught:
        client.get("x/../y")
    assert caught.value.code == "HTTP_404" and server.asked[0][1] == "/v1/scans/x%2F..%2Fy"


def test_nobody_there_is_unreachable() -> None:
    with Client("http://127.0.0.1:9", timeout_s=1) as client, pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        client.get("x")


def test_waiting_polls_until_the_scan_has_ended(server: Script, client: Client) -> None:
    for status in ("queued", "running", "rejected"):
        server.say(200, {**SCAN, "status": status, "code": "NOT_A_CAT"})
    assert client.wait("0190").status == "rejected" and len(server.asked) == 3


def test_waiting_ends_with_the_time_given(server: Script, client: Client) -> None:
    for _ in range(5):
        server.say(200, SCAN)
    with pytest.raises(TimeoutError, match="queued"):
        client.wait("0190", timeout_s=0.2)


def test_a_download_follows_the_signed_link_without_the_key_and_is_verified(server: Script, client: Client) -> None:
    content = b"PNG"
    artifact = Artifact("face", hashlib.sha256(content).hexdigest(), 3, "image/png", expired=False)
    server.say(302, Location="/v1/files/t?signature=s")
    server.say(200, content)
    assert client.download("0190", artifact) == content
    assert [path for _, path, _, _ in server.asked] == ["/v1/scans/0190/artifacts/face", "/v1/files/t?signature=s"]
    server.say(200, b"something else")
    with pytest.raises(NotThatFile):
        client.download("0190", artifact)


def test_a_signed_link_to_another_host_gets_no_key(server: Script, client: Client) -> None:
    artifact = Artifact("face", hashlib.sha256(b"PNG").hexdigest(), 3, "image/png", expired=False)
    server.say(302, Location=server.url.replace("127.0.0.1", "localhost") + "/bucket/t")
    server.say(200, b"PNG")
    client.download("0190", artifact)
    assert "Authorization" in server.asked[0][2] and "Authorization" not in server.asked[1][2]


def test_events_are_read_on_after_a_broken_line(server: Script, client: Client) -> None:
    server.say(200, b'id: 1\nevent: status\ndata: {"status": "queued"}\n\n', Content_Length="1000")
    server.say(200, b'retry: 1000\n\n: still here\n\nid: 2\nevent: status\ndata: {"status":\ndata: "failed"}\n\n')
    server.say(204)
    found = list(client.events("0190"))
    assert [(event.number, event.kind, event.data) for event in found] == [
        (1, "status", {"status": "queued"}),
        (2, "status", {"status": "failed"}),
    ]
    assert [headers["Last-Event-ID"] for _, _, headers, _ in server.asked] == ["0", "1", "2"]
