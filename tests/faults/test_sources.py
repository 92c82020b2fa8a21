"""Control dies between the pages of a source, again and again, and beside another one: no line is lost, none comes twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from db import batch_views, batches
from db.batch_views import Which
from db.batches import NewBatch
from db.sql import run
from tests.integration.api.pictures import jpeg
from tests.invariants import violations
from tests.stack import Stack, running, until

pytestmark = pytest.mark.timeout(300)

FILES = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixty pictures, every tenth of them torn."""
    top = tmp_path / "open" / "cats"
    for n in range(FILES):
        path = top / f"{n % 3}" / f"{n:02}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"torn" if n % 10 == 9 else jpeg(shade=n))
    return top


@pytest.fixture
def stack(tmp_path: Path, folder: Path, database_url: str, redis_url: str) -> Iterator[Stack]:
    """No process yet; pages of four lines."""
    home = tmp_path / "stack"
    home.mkdir()
    (home / "storage").mkdir()
    settings = {"SCANMILL_BATCH_ROOTS": f'["{folder.parent}"]', "SCANMILL_BATCH_PAGE": "4"}
    with running(Stack(home, database_url, redis_url, **settings)) as stack:
        yield stack


def opened(stack: Stack, tenant: UUID, folder: Path) -> UUID:
    new = NewBatch(tenant_id=tenant, system="cat_face", source={"folder": str(folder)})
    with stack.database.begin() as connection:
        batch, _ = batches.create(connection, new)
        batches.prioritise(connection, tenant, batch, 1)
    return batch


def shown(stack: Stack, tenant: UUID, batch: UUID) -> dict[str, Any]:
    with stack.database.begin() as connection:
        found = batch_views.get(connection, tenant, batch)
    assert found is not None
    return found


def names(stack: Stack, tenant: UUID, batch: UUID) -> list[str]:
    with stack.database.begin() as connection:
        return [line["custom_id"] for line in batch_views.items(connection, tenant, batch, Which(), limit=1_000)]


def start(stack: Stack, name: str, point: str | None, nth: int = 1) -> None:
    plan = [{"point": point, "action": "kill9", "nth": nth}] if point else []
    stack.start(name, SCANMILL_FAULT_PLAN=json.dumps(plan))


def dead(stack: Stack, name: str) -> bool:
    return stack.processes[name].poll() is not None


def test_control_killed_at_every_point_of_a_page_loses_and_doubles_nothing(stack: Stack, folder: Path) -> None:
    start(stack, "control", None)
    stack.await_published()
    stack.kill("control")
    tenant = stack.tenant("one")
    batch = opened(stack, tenant, folder)
    reached = 0
    for point, nth in (("list.before_commit", 1), ("list.after_commit", 2), ("list.before_commit", 3)):
        start(stack, "control", point, nth)
        until(lambda: dead(stack, "control"), 60, stack.last_words)
        found = shown(stack, tenant, batch)
        assert found["state"] == "listing"
        reached += 4 * (nth if point == "list.after_commit" else nth - 1)
        assert (found["items"], found["listed"]) == (reached, reached), (point, nth)
        assert violations(stack.database) == []
        with stack.database.begin() as connection:  # the dead control's lease would run out in a minute
            run(connection, "UPDATE batch SET list_after = NULL")
    start(stack, "control", None)
    start(stack, "control:2", None)
    until(lambda: shown(stack, tenant, batch)["state"] == "running", 60, stack.last_words)
    found = shown(stack, tenant, batch)
    assert (found["items"], found["listed"], found["counts"]["refused"]) == (FILES, FILES, FILES // 10)
    expected = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    assert names(stack, tenant, batch) == expected
    assert violations(stack.database) == []
