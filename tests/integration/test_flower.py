"""The real Flower beside real workers: it shows slots and stage tasks by name, and nobody gets in without the password."""

from __future__ import annotations

import ast
import http.client
import urllib.parse
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.embedded import EmbeddedPostgres, EmbeddedRedis
from pipeline.contracts import System
from pipeline.systems import PIPELINES
from tests import databases, photos
from tests.stack import Stack, free_port, running, until

PASSWORD = "a password of this test"
STAGES = {f"scan.{stage.name}" for stage in PIPELINES[System.CAT_FACE].stages}


class Flower:
    """`scanmill flower` of a stack, and a client that knows the password."""

    def __init__(self, stack: Stack) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        port = self.url.rpartition(":")[2]
        stack.start("flower", "--port", port, SCANMILL_FLOWER_USER="operator", SCANMILL_FLOWER_PASSWORD=PASSWORD)
        self.client = httpx.Client(base_url=self.url, auth=("operator", PASSWORD), timeout=10)
        until(self._answers, 30, stack.last_words)

    def _answers(self) -> bool:
        try:
            return self.client.get("/healthcheck").status_code == 200
        except httpx.TransportError:
            return False

    def tasks(self) -> list[dict[str, Any]]:
        return list(self.client.get("/api/tasks").raise_for_status().json().values())

    def workers(self) -> set[str]:
        """Names of the workers that are on line."""
        page = self.client.get("/workers", params={"json": "1"}).raise_for_status().json()
        return {worker["hostname"] for worker in page["data"] if worker["status"]}


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, postgres: EmbeddedPostgres, template_database: str, server_folder: Path
) -> Iterator[Stack]:
    """A service with a database and a Redis of its own: other tests empty theirs."""
    with (
        databases.fresh(postgres, template_database) as database_url,
        EmbeddedRedis(server_folder / "flower-redis") as redis,
        running(Stack(tmp_path_factory.mktemp("flower"), database_url, redis.url)) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def flower(stack: Stack) -> Iterator[Flower]:
    """Flower, then control and two slots, then one scanned cat."""
    started = Flower(stack)
    stack.start("control")
    stack.start("worker", "--slots", "2", "--allow-cpu", SCANMILL_WORKER_HOST="here")
    stack.await_published()
    until(lambda: started.workers() == {"cpu0@here", "cpu1@here"}, 60, stack.last_words)
    tenant = stack.tenant("flower")
    stack.wait(tenant, [stack.submit(tenant, photos.cat())], within_s=90)
    yield started
    started.client.close()


@pytest.mark.timeout(240)
def test_workers_stand_under_the_names_of_their_slots(flower: Flower) -> None:
    assert flower.workers() == {"cpu0@here", "cpu1@here"}


def test_every_stage_is_a_task_by_name_carried_ones_too(flower: Flower, stack: Stack) -> None:
    until(lambda: {task["name"] for task in flower.tasks()} >= STAGES, 15, stack.last_words)
    assert {task["name"] for task in flower.tasks()} == STAGES


def test_arguments_are_the_ids_of_stage_runs_and_nothing_else(flower: Flower) -> None:
    for task in flower.tasks():
        arguments = ast.literal_eval(task["args"])
        assert len(arguments) == 1
        assert arguments[0], task
        assert all(isinstance(run_id, int) for run_id in arguments[0]), task
        assert task["kwargs"] in ("{}", None)


def test_results_are_empty(flower: Flower) -> None:
    """SUCCESS in Flower says that a task came back, not how the scan ended: docs/flower.md."""
    ended = [task for task in flower.tasks() if task["state"] == "SUCCESS"]
    assert ended
    assert {task["result"] for task in ended} <= {"None", None, ""}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "path", ["/", "/workers", "/tasks", "/api/workers", "/api/tasks", "/api/worker/shutdown/cpu0@here"]
)
def test_nobody_gets_in_without_the_password(flower: Flower, path: str, method: str) -> None:
    for credentials in (None, "operator:wrong", f"somebody:{PASSWORD}"):
        assert _status(flower, method, path, credentials) in {401, 405}
    assert _status(flower, "GET", "/", None) == 401
    assert _status(flower, "POST", "/api/worker/shutdown/cpu0@here", None) == 401


def test_with_the_password_one_may_look_but_not_touch(flower: Flower) -> None:
    assert _status(flower, "GET", "/workers", f"operator:{PASSWORD}") == 200
    assert _status(flower, "POST", "/api/worker/shutdown/cpu0@here", f"operator:{PASSWORD}") == 403
    assert flower.workers() == {"cpu0@here", "cpu1@here"}


def test_only_this_machine_can_reach_it(flower: Flower) -> None:
    port = int(flower.url.rpartition(":")[2])
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    addresses = {
        fields[1].split(":")[0] for fields in listening if fields[1].endswith(f":{port:04X}") and fields[3] == "0A"
    }
    assert addresses == {"0100007F"}


def test_the_password_is_in_no_process_list(stack: Stack, flower: Flower) -> None:
    command = Path(f"/proc/{stack.processes['flower'].pid}/cmdline").read_text()
    assert "flower" in command
    assert PASSWORD not in command


def _status(flower: Flower, method: str, path: str, credentials: str | None) -> int:
    address = urllib.parse.urlsplit(flower.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    headers = {"Authorization": f"Basic {b64encode(credentials.encode()).decode()}"} if credentials else {}
    connection.request(method, path, headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status
