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
from tests.stack import Stack, running

FLUSHES = 20


@pytest.fixture
def redis(server_folder: Path, tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A Redis of this test's own, to be killed."""
    server = EmbeddedRedis(server_folder / f"redis-{tmp_path.name}")
    server.start()
    yield server
    server.destroy()


@pytest.fixture
def stack(tmp_path: Path, database_url: str, redis: EmbeddedRedis) -> Iterator[Stack]:
    with running(Stack(tmp_path, database_url, redis.url)) as stack:
        stack.start("control")
        stack.start("worker", "--slots", "2", "--allow-cpu")
        stack.await_published()
        stack.await_workers(2)
        yield stack


@pytest.mark.timeout(300)
def test_redis_flushed_killed_and_back_changes_no_report(stack: Stack, redis: EmbeddedRedis) -> None:
    golden = reports(stack)

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
def test_a_worker_that_dies_while_redis_is_away_is_replaced(stack: Stack, redis: EmbeddedRedis) -> None:
    """Celery itself replaces no prefork child in that state; the supervisor does."""
    golden = reports(stack)
    redis.kill()
    with stack.database.begin() as connection:
        pids = [r.pid for r in connection.exec_driver_sql("SELECT pid FROM worker")]
    assert len(pids) == 2
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert reports(stack) == golden
