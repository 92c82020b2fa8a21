"""One tenant sends thousands of scans; another's single one, or small batch, is not kept waiting. Real processes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from db import batch_views, batches, scans
from db.batches import NewBatch, NewItem
from db.scans import NewScan
from db.sql import row
from pipeline.contracts import InputKind, Lane
from tasks.queue import Doorbell
from tests.stack import Stack, running, until

pytestmark = pytest.mark.timeout(600)
WINDOW = 64
SIZES = (2_000, pytest.param(10_000, marks=pytest.mark.slow))
PROMISED_S = 2.0
BRIEF = {"second": "brief"}
SINGLES = 5


@pytest.fixture
def stack(tmp_path: Path, database_url: str, redis_url: str) -> Iterator[Stack]:
    """Control and two slots; the greedy tenant's scans take a twentieth of a second each, the other's nothing."""
    settings = {"SCANMILL_EXTRA_PIPELINES": '["tests.pipelines:OBEDIENT"]', "SCANMILL_BULK_WINDOW": str(WINDOW)}
    with running(Stack(tmp_path, database_url, redis_url, **settings)) as stack:
        stack.start("control")
        stack.start("worker", "--slots", "2", "--allow-cpu")
        stack.await_published("obedient")
        stack.await_workers(2)
        yield stack


@pytest.fixture
def bell(stack: Stack, redis_url: str) -> Iterator[Doorbell]:
    """Rings as the API does."""
    bell = Doorbell(redis_url)
    yield bell
    bell.close()


def new(tenant: UUID, **orders: str) -> NewScan:
    name = uuid.uuid4().hex
    return NewScan(
        tenant_id=tenant,
        system="obedient",
        lane=Lane.INTERACTIVE,
        input_kind=InputKind.UPLOAD,
        input_ref=name,
        input_sha256=name,
        options={"name": name, **orders},
    )


def batch_of(stack: Stack, tenant: UUID, lines: int) -> UUID:
    with stack.database.begin() as connection:
        batch, _ = batches.create(connection, NewBatch(tenant_id=tenant, system="obedient"))
    names = [uuid.uuid4().hex for _ in range(lines)]
    for first in range(0, lines, 1_000):
        some = [
            NewItem(custom_id=n, ref=n, sha256=n, options={"name": n, **BRIEF}) for n in names[first : first + 1_000]
        ]
        with stack.database.begin() as connection:
            batches.append(connection, tenant, batch, some)
    with stack.database.begin() as connection:
        batches.finalise(connection, tenant, batch)
    return batch


def flood(stack: Stack, bell: Doorbell, tenant: UUID, count: int) -> None:
    """Interactive scans as quickly as the ledger takes them, each rung for as the API would."""
    for first in range(0, count, 100):
        with stack.database.begin() as connection:
            made = [scans.submit(connection, new(tenant, **BRIEF)) for _ in range(first, min(count, first + 100))]
        bell.ring(ready for each in made for ready in each.ready)


def seconds_of_a_single_scan(stack: Stack, bell: Doorbell, tenant: UUID) -> float:
    """From its submission to its end, by the ledger's clock."""
    with stack.database.begin() as connection:
        made = scans.submit(connection, new(tenant))
    bell.ring(made.ready)
    until(lambda: stack.unfinished([made.scan_id]) == 0, 60, stack.last_words)
    with stack.database.begin() as connection:
        found = row(
            connection,
            "SELECT status, extract(epoch FROM finished_at - created_at) AS s FROM scan WHERE id = :id",
            id=made.scan_id,
        )
    assert found is not None and found.status == "succeeded"
    return float(found.s)


def left_of(stack: Stack, tenant: UUID) -> int:
    """How many of a tenant's scans have not ended."""
    with stack.database.begin() as connection:
        found = row(connection, "SELECT count(*) AS n FROM scan WHERE tenant_id = :t AND finished_at IS NULL", t=tenant)
    assert found is not None
    return int(found.n)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lane", [Lane.BULK, Lane.INTERACTIVE])
def test_thousands_of_one_tenants_scans_delay_anothers_single_one_by_less_than_two_seconds(
    stack: Stack, bell: Doorbell, lane: Lane, size: int
) -> None:
    greedy, other = stack.tenant("greedy"), stack.tenant("other")
    seconds_of_a_single_scan(stack, bell, other)  # both slots know then how long a stage takes
    if lane is Lane.BULK:
        batch_of(stack, greedy, size)
    else:
        flood(stack, bell, greedy, size)
    until(lambda: left_of(stack, greedy) < size - WINDOW, 60, stack.last_words)
    waited = [seconds_of_a_single_scan(stack, bell, other) for _ in range(SINGLES)]
    left = left_of(stack, greedy)
    print(f"{lane.name} {size}: {[round(s, 2) for s in waited]} s, {left} left")
    assert left > size // 4, "the others are still waiting, or nothing was shown"
    assert max(waited) < PROMISED_S


def test_a_small_batch_waits_for_no_more_than_what_is_under_way(stack: Stack) -> None:
    greedy, other = stack.tenant("greedy"), stack.tenant("other")
    large = batch_of(stack, greedy, 2_000)
    until(lambda: left_of(stack, greedy) < 1_950, 60, stack.last_words)
    before = left_of(stack, greedy)
    small = batch_of(stack, other, 10)
    until(lambda: left_of(stack, other) == 0, 60, stack.last_words)
    went_first = before - left_of(stack, greedy)
    with stack.database.begin() as connection:
        found = batch_views.get(connection, other, small)
        longer = batch_views.get(connection, greedy, large)
    assert found is not None and found["counts"]["succeeded"] == 10
    assert longer is not None and longer["counts"]["queued"] > 1_000
    assert went_first <= 4 * WINDOW, "the window once over, and what was admitted beside the small batch"
