"""Redis is a doorbell: wiped, killed or gone, it costs latency and nothing else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.embedded import EmbeddedRedis
from tests.faults.runs import reports
from tests.stack import Servers, Stack, opened

FLUSHES = 20


@pytest.fixture(scope="module")
def redis(server_folder: Path) -> Iterator[EmbeddedRedis]:
    """A Redis of these tests' own, to be killed."""
    server = EmbeddedRedis(server_folder / "redis-to-kill")
    server.start()
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def stack(servers: Servers, tmp_path_factory: pytest.TempPathFactory, redis: EmbeddedRedis) -> Iterator[Stack]:
    postgres, _, template = servers
    with opened((postgres, redis, template), tmp_path_factory.mktemp("stack")) as stack:
        stack.start("control")
        stack.start("worker", "--slots", "2", "--allow-cpu")
        stack.await_published()
        stack.await_workers(2)
        yield stack


@pytest.fixture(scope="module")
def golden(stack: Stack) -> list[str]:
    """The reports of an undisturbed run."""
    return reports(stack)


@pytest.mark.timeout(300)
def test_redis_flushed_killed_and_back_changes_no_report(stack: Stack, redis: EmbeddedRedis, golden: list[str]) -> None:
    def flush_for_a_while() -> None:
        for _ in range(FLUSHES):
            redis.flush()
            time.sleep(0.05)

    assert reports(stack, during=flush_for_a_while) == golden
    assert reports(stack, during=redis.kill) == golden, "killed in the middle"
    assert reports(stack) == golden, "gone from the start"
    redis.start()
    assert reports(stack) == golden, "back again"


@pytest.mark.timeout(300)
def test_a_worker_that_dies_while_redis_is_away_is_replaced(
    stack: Stack, redis: EmbeddedRedis, golden: list[str]
) -> None:
    """Celery itself replaces no prefork child in that state; the supervisor does."""
    redis.kill()
    with stack.database.begin() as connection:
        pids = [r.pid for r in connection.exec_driver_sql("SELECT pid FROM worker")]
    assert len(pids) == 2
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert reports(stack) == golden
