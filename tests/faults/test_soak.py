"""Random faults for a long time, several at once: `make soak MINUTES=60`. A failure names the seed that repeats it."""

from __future__ import annotations

import os
import random
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.embedded import EmbeddedPostgres, EmbeddedRedis
from db.sql import rows
from tests import databases
from tests.faults.checker import check
from tests.photos import cat, not_a_cat
from tests.stack import Stack, canonical, running

MINUTES = float(os.environ.get("SOAK_MINUTES", "60"))
SEED = int(os.environ.get("SOAK_SEED", str(random.SystemRandom().randrange(2**31))))
BATCH = 6


@pytest.fixture
def redis(server_folder: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(server_folder / "soak-redis") as server:
        yield server


@pytest.fixture
def stack(tmp_path: Path, postgres: EmbeddedPostgres, template_database: str, redis: EmbeddedRedis) -> Iterator[Stack]:
    with databases.fresh(postgres, template_database) as url, running(Stack(tmp_path, url, redis.url)) as stack:
        for name in ("control:a", "control:b"):
            stack.start(name)
        stack.start("worker", "--slots", "2", "--allow-cpu")
        stack.await_published()
        stack.await_workers(2)
        yield stack


class Nemesis:
    """Hurts one thing at a time, and says what it did."""

    def __init__(self, stack: Stack, redis: EmbeddedRedis, seed: int) -> None:
        self._stack, self._redis, self.dice = stack, redis, random.Random(seed)
        self.deeds: list[str] = []
        self._ways: list[Callable[[], None]] = [
            self.kill_child, self.kill_host, self.kill_control, self.freeze_child, self.flush, self.restart_redis,
        ]  # fmt: skip

    def strike(self) -> None:
        way = self.dice.choice(self._ways)
        self.deeds.append(way.__name__)
        way()

    def _child(self) -> int | None:
        with self._stack.database.begin() as connection:
            alive = [
                each.pid for each in rows(connection, "SELECT pid FROM worker") if Path(f"/proc/{each.pid}").exists()
            ]
        return self.dice.choice(sorted(alive)) if alive else None

    def kill_child(self) -> None:
        if pid := self._child():
            os.kill(pid, signal.SIGKILL)

    def freeze_child(self) -> None:
        """Longer than its lease, so that it comes back as a stranger to its own work."""
        if pid := self._child():
            os.kill(pid, signal.SIGSTOP)
            time.sleep(self.dice.uniform(1, 6))
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGCONT)

    def kill_host(self) -> None:
        self._stack.kill("worker")
        self._stack.start("worker", "--slots", "2", "--allow-cpu")

    def kill_control(self) -> None:
        name = self.dice.choice(("control:a", "control:b"))
        self._stack.kill(name)
        self._stack.start(name)

    def flush(self) -> None:
        self._redis.flush()

    def restart_redis(self) -> None:
        self._redis.kill()
        time.sleep(self.dice.uniform(0, 4))
        self._redis.start()


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.timeout(0)
def test_nothing_is_lost_doubled_or_changed_whatever_happens(stack: Stack, redis: EmbeddedRedis) -> None:
    nemesis = Nemesis(stack, redis, SEED)
    pictures = (cat(), not_a_cat())
    golden: list[str] | None = None
    until = time.monotonic() + MINUTES * 60
    while time.monotonic() < until:
        tenant = stack.tenant(f"soak {uuid.uuid4()}")
        ids = [stack.submit(tenant, pictures[number % 2]) for number in range(BATCH)]
        for _ in range(nemesis.dice.randint(1, 3) if golden else 0):
            time.sleep(nemesis.dice.uniform(0, 3))
            nemesis.strike()
        scans = stack.wait(tenant, ids, within_s=180)
        check(stack, tenant, ids)
        found = [canonical(scan) for scan in scans]
        golden = golden or found
        assert found == golden, f"seed {SEED}, after {nemesis.deeds}"
