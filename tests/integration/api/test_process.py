"""What only the real server shows: streams, stopping, dying, starting."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from tests.integration.api.harness import Api
from tests.integration.api.pictures import jpeg
from tests.integration.api.server import Server, count, head, read_all, submit
from tests.stack import until

pytest_plugins = ("tests.integration.api.fixtures",)


def test_a_stream_tells_while_it_happens(api: Api, client: httpx.Client) -> None:
    scan_id = submit(client).json()["id"]
    with client.stream("GET", f"/v1/scans/{scan_id}/events") as stream:
        lines = stream.iter_lines()
        assert "data" in "".join(next(lines) for _ in range(5))
        assert client.get(f"/v1/scans/{scan_id}").json()["status"] == "queued"
        api.work()
        rest = list(lines)
    assert '"status": "succeeded"' in [line for line in rest if line.startswith("data")][-1]


def test_a_client_that_leaves_its_stream_gives_its_place_back(server: Server, client: httpx.Client) -> None:
    scan_id = submit(client).json()["id"]
    for _ in range(3):  # one place only
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            with client.stream("GET", f"/v1/scans/{scan_id}/events") as stream:
                if stream.status_code == 200:
                    break
            time.sleep(0.05)
        else:
            pytest.fail("the place was never given back")


def test_a_client_that_leaves_while_it_waits_gives_its_place_back(server: Server, client: httpx.Client) -> None:
    scan_id = submit(client).json()["id"]
    for _ in range(3):
        with pytest.raises(httpx.ReadTimeout):
            client.get(f"/v1/scans/{scan_id}", headers={"Prefer": "wait=30"}, timeout=0.3)
        time.sleep(0.5)
    assert client.get(f"/v1/scans/{scan_id}", headers={"Prefer": "wait=1"}).status_code == 200


def test_every_line_of_the_log_is_json(server: Server) -> None:
    server.exchange(b"nonsense\r\n\r\n")
    httpx.get(f"{server.url}/health")
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert {"request", "refused before the app: InvalidRequestLine"} <= {line["message"] for line in lines}
    assert all(line["at"] and line["level"] and line["logger"] for line in lines)


def test_a6_a_stopping_server_finishes_what_it_has_and_ends_streams(api: Api, own_server: Server) -> None:
    own_server.start()
    key = {"Authorization": f"Bearer {api.tokens['a']}"}
    scan_id = api.scan()
    address, body = f"{own_server.url}/v1/scans/{scan_id}", b'{"object_key": "cat.jpg"}'
    heard: list[str] = []

    def follow() -> None:
        with httpx.stream("GET", f"{address}/events", headers=key, timeout=30) as stream:
            heard.extend(stream.iter_text())

    with ThreadPoolExecutor() as pool, own_server.connect() as slow:
        waiting = pool.submit(httpx.get, address, headers={**key, "Prefer": "wait=30"}, timeout=40)
        following = pool.submit(follow)
        slow.sendall(head(api, "Content-Type: application/json", f"Content-Length: {len(body)}") + body[:5])
        until(lambda: "queued" in "".join(heard), 30)
        time.sleep(0.5)
        assert not waiting.done() and not following.done()
        began = time.monotonic()
        own_server.terminate()
        following.result(15)
        assert waiting.result(15).json()["status"] == "queued"
        slow.sendall(body[5:])
        answer = read_all(slow)
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert b"Connection: close" in answer
    assert own_server.process is not None
    assert own_server.process.wait(20) == 0
    assert time.monotonic() - began < 20, "less than the wait that was asked for"
    assert count(api) == 2


def fault(own_server: Server, point: str, tmp_path: Path) -> None:
    """Start a server that dies once at a kill point."""
    plan = [{"point": point, "action": "kill9", "once": str(tmp_path / "once")}]
    own_server.environment["SCANMILL_FAULT_PLAN"] = json.dumps(plan)
    own_server.start()


def send(own_server: Server, api: Api) -> httpx.Response:
    """A submit that may be repeated."""
    key = {"Authorization": f"Bearer {api.tokens['a']}", "Idempotency-Key": "one"}
    return httpx.post(f"{own_server.url}/v1/scans", files={"file": ("cat.jpg", jpeg())}, headers=key, timeout=20)


def test_a4_a_server_killed_after_its_commit_has_accepted(api: Api, own_server: Server, tmp_path: Path) -> None:
    fault(own_server, "api.after_commit", tmp_path)
    with pytest.raises(httpx.TransportError):
        send(own_server, api)
    assert count(api) == 1
    own_server.await_answers()  # gunicorn starts another worker
    assert send(own_server, api).status_code == 200
    assert count(api) == 1
    assert api.work() == 3


def test_a2_a_server_killed_before_its_commit_has_not(api: Api, own_server: Server, tmp_path: Path) -> None:
    fault(own_server, "api.after_store", tmp_path)
    with pytest.raises(httpx.TransportError):
        send(own_server, api)
    assert count(api) == 0
    own_server.await_answers()
    assert send(own_server, api).status_code == 202
    assert count(api) == 1


def test_a_server_with_two_processes_adds_up_its_figures(api: Api, own_server: Server) -> None:
    own_server.environment["SCANMILL_API_WORKERS"] = "2"
    own_server.start()
    for _ in range(20):
        httpx.get(f"{own_server.url}/v1/scans")
    figures = httpx.get(f"{own_server.url}/metrics").text
    assert 'scanmill_api_requests_total{method="GET",route="/v1/scans",status="401"} 20.0' in figures


def test_a_process_that_dies_is_replaced_though_no_key_is_left(api: Api, own_server: Server) -> None:
    """Starting without keys is refused; a server that runs stays, or one revoked key would take it down."""
    own_server.start()
    with api.here.database.begin() as connection:
        connection.execute(sa.text("UPDATE api_key SET revoked_at = clock_timestamp()"))
    assert own_server.process is not None
    before = children(own_server.process.pid)
    for each in before:
        os.kill(each, signal.SIGKILL)
    own_server.await_answers()
    master = own_server.process.pid
    until(lambda: len(children(master) - before) >= len(before), 60, own_server.log.read_text)
    time.sleep(1)  # a process that must not start ends within that time, and gunicorn with it
    assert httpx.get(f"{own_server.url}/health", timeout=5).status_code == 200
    assert "StartRefused" not in own_server.log.read_text()


def children(pid: int) -> set[int]:
    """Process ids of a process's children now."""
    return {int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"SCANMILL_API_OPEN": "true", "SCANMILL_API_HOST": "0.0.0.0", "SCANMILL_API_FD": None}, "loopback"),
        ({"SCANMILL_FAULT_PLAN": "[]", "SCANMILL_ENV": "production"}, "SCANMILL_ENV=test"),
        ({"SCANMILL_DATABASE_URL": None}, "database_url"),
        ({}, "no API key"),
    ],
)
def test_a_server_that_must_not_start_says_why(
    api: Api, own_server: Server, settings: dict[str, str | None], says: str
) -> None:
    if not settings:
        with api.here.database.begin() as connection:
            connection.execute(sa.text("UPDATE api_key SET revoked_at = clock_timestamp()"))
    for name, value in settings.items():
        own_server.environment.pop(name, None)
        if value is not None:
            own_server.environment[name] = value
    with pytest.raises(AssertionError):
        own_server.start()
    assert says in own_server.log.read_text()
