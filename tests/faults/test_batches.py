"""A batch whose control and workers are killed at random, and whose Redis is wiped: every line ends once, and counts add up."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from cli.embedded import EmbeddedRedis
from db import batch_again, batch_views, batches
from db.batches import NewBatch, NewItem
from tests.invariants import violations
from tests.stack import Stack, running, until

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def stack(tmp_path: Path, database_url: str, redis_url: str) -> Iterator[Stack]:
    """Control and a worker of two slots; a small window, so that the batch waits for control again and again."""
    settings = {"SCANMILL_EXTRA_PIPELINES": '["tests.pipelines:OBEDIENT"]', "SCANMILL_BULK_WINDOW": "40"}
    with running(Stack(tmp_path, database_url, redis_url, **settings)) as stack:
        start(stack, "control")
        start(stack, "worker")
        stack.await_published("obedient")
        yield stack


def start(stack: Stack, name: str) -> None:
    stack.start(name, *(("--slots", "2", "--allow-cpu") if name == "worker" else ()))


def sent(stack: Stack, tenant: UUID, lines: int) -> UUID:
    """A finalised batch; every tenth line is refused, every seventh has the bytes of the first."""
    with stack.database.begin() as connection:
        batch, _ = batches.create(connection, NewBatch(tenant_id=tenant, system="obedient"))
        for first in range(0, lines, 100):
            batches.append(connection, tenant, batch, [line(n) for n in range(first, min(lines, first + 100))])
        batches.finalise(connection, tenant, batch)
    return batch


def line(n: int) -> NewItem:
    name = "same" if n % 7 == 0 else str(n)
    digest = hashlib.sha256(name.encode()).hexdigest()
    code = "CORRUPT_IMAGE" if n % 10 == 9 else None
    return NewItem(custom_id=str(n), ref=f"key/{name}", sha256=digest, options={"name": name}, code=code)


def shown(stack: Stack, tenant: UUID, batch: UUID) -> dict[str, Any]:
    with stack.database.begin() as connection:
        found = batch_views.get(connection, tenant, batch)
    assert found is not None
    return found


def disturbed(
    stack: Stack, redis: EmbeddedRedis, tenant: UUID, batch: UUID, dice: random.Random, lines: int, kills: int
) -> dict[str, int]:
    """The counts at the batch's end, with a process killed or Redis wiped each time some more lines are done."""
    for turn in range(kills):
        goal = lines * (turn + 1) // (kills + 2)
        until(lambda goal=goal: done(stack, tenant, batch) >= goal, 60, stack.last_words)  # type: ignore[misc]
        name = dice.choice(["control", "worker", "redis"])
        if name == "redis":
            redis.flush()
        else:
            stack.kill(name)
            start(stack, name)
    until(lambda: shown(stack, tenant, batch)["finished_at"] is not None, 120, stack.last_words)
    return dict(shown(stack, tenant, batch)["counts"])


def done(stack: Stack, tenant: UUID, batch: UUID) -> int:
    counts = shown(stack, tenant, batch)["counts"]
    assert sum(n for name, n in counts.items() if name != "items") == counts["items"]
    return int(counts["items"] - counts["queued"] - counts["running"]) if counts["items"] else 0


@pytest.mark.parametrize(("lines", "kills"), [(160, 3), pytest.param(1000, 12, marks=pytest.mark.slow)])
def test_a_batch_and_its_reprocessing_survive_kills(
    stack: Stack, redis_server: EmbeddedRedis, lines: int, kills: int
) -> None:
    tenant, dice = stack.tenant("one"), random.Random(5)
    batch = sent(stack, tenant, lines)
    counts = disturbed(stack, redis_server, tenant, batch, dice, lines, kills)
    assert (counts["succeeded"], counts["refused"], counts["items"]) == (lines * 9 // 10, lines // 10, lines)
    assert violations(stack.database, settled=True) == []
    with stack.database.begin() as connection:
        again = batch_again.reprocess(connection, tenant, batch, name=None, options={"name": "other"})
    assert again is not None
    assert disturbed(stack, redis_server, tenant, again, dice, lines, kills) == counts
    assert violations(stack.database, settled=True) == []
