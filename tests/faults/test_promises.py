"""Promises with a number: how soon dead workers' work goes on, how final a cancel is, how long interactive work waits."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from db import scans
from db.sql import row, rows
from pipeline.contracts import Lane
from tests.stack import Servers, Stack, opened, until


@pytest.fixture(scope="module")
def service(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two slots, one scan at a time each, so that one is idle when the other dies."""
    settings = {
        "SCANMILL_EXTRA_PIPELINES": '["tests.pipelines:OBEDIENT"]',
        "SCANMILL_LEASE_S": "30",
        "SCANMILL_BATCH_SIZE": "4",
    }
    with opened(servers, tmp_path_factory.mktemp("stack"), **settings) as stack:
        stack.start("control")
        stack.start("worker", "--slots", "2", "--allow-cpu")
        stack.await_published("obedient")
        yield stack


@pytest.fixture
def stack(service: Stack) -> Stack:
    """The service with both slots alive, whatever the test before did to one."""
    until(lambda: living(service) == 2, 90, service.last_words)
    return service


def living(stack: Stack) -> int:
    """How many worker children there are."""
    with stack.database.begin() as connection:
        return sum(Path(f"/proc/{each.pid}").exists() for each in rows(connection, "SELECT pid FROM worker"))


def settled(stack: Stack, tenant: UUID, stage: str) -> int:
    """How many runs of a tenant's stage are done."""
    with stack.database.begin() as connection:
        found = row(
            connection,
            """SELECT count(*) AS n FROM stage_run r JOIN stage s ON s.id = r.stage_id
               WHERE r.tenant_id = :t AND s.name = :stage AND r.state = 'ok'""",
            t=tenant,
            stage=stage,
        )
    assert found is not None
    return int(found.n)


def worker_of(stack: Stack, scan_id: object) -> int:
    """Process id of the child that holds a lease of the scan; 0 while nobody does."""
    with stack.database.begin() as connection:
        found = row(
            connection,
            """SELECT w.pid FROM stage_run r JOIN worker w ON w.owner = r.owner
               WHERE r.scan_id = :id AND r.state = 'leased'""",
            id=scan_id,
        )
    return int(found.pid) if found else 0


def test_a_dead_workers_stage_runs_elsewhere_within_three_seconds(stack: Stack) -> None:
    """The lease is 30 s here: only the supervisor's look can be this quick."""
    tenant = stack.tenant("of a dead worker")
    scan_id = stack.submit(tenant, b"picture", system="obedient", options={"name": "picture", "second": "slow"})
    until(lambda: worker_of(stack, scan_id) > 0, 10, stack.last_words)
    first = worker_of(stack, scan_id)
    os.kill(first, signal.SIGKILL)
    died = time.monotonic()
    until(lambda: worker_of(stack, scan_id) not in (0, first), 10, stack.last_words)
    assert time.monotonic() - died < 3
    assert stack.wait(tenant, [scan_id])[0]["status"] == "succeeded"


def test_a_cancelled_scan_starts_nothing_more_and_never_succeeds(stack: Stack) -> None:
    tenant = stack.tenant("who cancels")
    orders = {"first": "slow", "second": "slow", "third": "slow"}
    ids = [
        stack.submit(tenant, f"{n}".encode(), system="obedient", options={"name": str(n), **orders}) for n in range(3)
    ]
    until(lambda: worker_of(stack, ids[0]) > 0, 10, stack.last_words)
    with stack.database.begin() as connection:
        assert [scans.cancel(connection, tenant, each) for each in ids] == ["cancelled"] * 3
    time.sleep(4)
    with stack.database.begin() as connection:
        late = rows(
            connection,
            """SELECT 1 FROM stage_run r JOIN scan s ON s.id = r.scan_id
               WHERE r.started_at > s.cancel_requested_at + interval '1 second' OR r.state <> 'cancelled'
                 AND r.finished_at > s.cancel_requested_at""",
        )
    assert not late
    assert {stack.scan(tenant, each)["status"] for each in ids} == {"cancelled"}


@pytest.mark.timeout(180)
def test_an_interactive_scan_waits_at_most_two_seconds_behind_bulk_work(stack: Stack) -> None:
    bulk, single = stack.tenant("bulk"), stack.tenant("single")
    for n in range(60):
        orders = {"name": f"bulk {n}", "second": "slow"}
        stack.submit(bulk, orders["name"].encode(), system="obedient", lane=Lane.BULK, options=orders)
    until(lambda: settled(stack, bulk, "second") >= 6, 60, stack.last_words)  # both slots know how long a run takes
    waits = []
    for n in range(3):
        scan_id = stack.submit(single, f"single {n}".encode(), system="obedient", options={"name": f"single {n}"})
        [scan] = stack.wait(single, [scan_id])
        with stack.database.begin() as connection:
            found = row(
                connection,
                """SELECT extract(epoch FROM started_at - created_at) AS s FROM scan WHERE id = :id""",
                id=scan_id,
            )
        assert found is not None and scan["status"] == "succeeded"
        waits.append(float(found.s))
    assert max(waits) <= 2, waits
