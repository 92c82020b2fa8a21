"""PostgreSQL crashes in the middle: what was accepted is still there, and ends once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.embedded import EmbeddedPostgres
from db import migrate
from db.sql import rows
from tests.faults.checker import check
from tests.stack import Stack, running, until

SCANS = 12


@pytest.fixture
def postgres_to_kill(server_folder: Path, tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of this test's own that writes its log to the disk, as one in production does."""
    server = EmbeddedPostgres(server_folder / f"postgres-{tmp_path.name}")
    server.start()
    yield server
    server.destroy()


@pytest.mark.timeout(240)
def test_a_crashed_database_loses_no_accepted_scan(
    tmp_path: Path, postgres_to_kill: EmbeddedPostgres, redis_url: str
) -> None:
    url = postgres_to_kill.url("postgres")
    stack = Stack(tmp_path, url, redis_url, SCANMILL_EXTRA_PIPELINES='["tests.pipelines:OBEDIENT"]')
    with running(stack):
        migrate.upgrade(stack.database)
        stack.start("control")
        stack.start("worker", "--slots", "2", "--allow-cpu")
        stack.await_published("obedient")
        stack.await_workers(2)
        tenant = stack.tenant("one")
        ids = [
            stack.submit(tenant, f"{n}".encode(), system="obedient", options={"name": str(n), "second": "slow"})
            for n in range(SCANS)
        ]
        until(lambda: at_work(stack), 60, stack.last_words)
        assert stack.unfinished(ids) > 0, "the crash must come while work is under way"
        postgres_to_kill.kill()
        postgres_to_kill.start()
        scans = stack.wait(tenant, ids, 120)
        assert [(s["status"], s["report"]) for s in scans] == [("succeeded", {"name": str(n)}) for n in range(SCANS)]
        check(stack, tenant, ids)


def at_work(stack: Stack) -> bool:
    """Whether a worker holds a run of the slow stage."""
    with stack.database.begin() as connection:
        return bool(
            rows(
                connection,
                """SELECT 1 FROM stage_run r JOIN stage s ON s.id = r.stage_id
                   WHERE s.name = 'second' AND r.state = 'leased'""",
            )
        )
