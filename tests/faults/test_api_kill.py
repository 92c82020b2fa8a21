"""The API is killed between its commit and its ring: the scan is accepted, is worked on, and a retry finds it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from db.sql import rows
from tests.faults.checker import check
from tests.photos import cat
from tests.stack import Stack, running, until


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    return tmp_path / "trap"


@pytest.fixture
def stack(tmp_path: Path, trap: Path, database_url: str, redis_url: str) -> Iterator[Stack]:
    plan = [{"point": "api.after_commit", "action": "kill9", "once": str(trap)}]
    with running(Stack(tmp_path, database_url, redis_url)) as stack:
        stack.start("control")
        stack.start("worker", "--slots", "1", "--allow-cpu")
        stack.await_published()
        stack.tenant("one")
        stack.key(stack.tenant("one"))
        stack.start("api", SCANMILL_FAULT_PLAN=json.dumps(plan))
        until(lambda: answers(stack), 40, stack.last_words)
        yield stack


def answers(stack: Stack) -> bool:
    try:
        return httpx.get(f"{stack.url}/health", timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@pytest.mark.timeout(180)
def test_killed_between_commit_and_ring(stack: Stack, trap: Path) -> None:
    tenant = stack.tenant("one")
    headers = {"Authorization": f"Bearer {stack.key(tenant)}", "Idempotency-Key": "once"}

    def submit() -> httpx.Response:
        files = {"file": ("cat.jpg", cat(), "image/jpeg")}
        return httpx.post(f"{stack.url}/v1/scans", headers=headers, files=files, timeout=20)

    with pytest.raises(httpx.TransportError):
        submit()
    assert trap.exists(), "the API was not killed where it should have been"
    with stack.database.begin() as connection:
        [accepted] = rows(connection, "SELECT id FROM scan")
    until(lambda: answers(stack), 30, stack.last_words)
    again = submit()
    assert again.is_success and again.json()["id"] == str(accepted.id)
    [scan] = stack.wait(tenant, [accepted.id])
    assert scan["status"] in {"succeeded", "partial"}
    check(stack, tenant, [accepted.id])
