"""Controls that are killed while they send, and a worker while it ends scans: every end arrives, under one id, noted once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import webhooks
from tests.invariants import violations
from tests.servers.receiver import Message, Receiver, receiving
from tests.stack import Stack, running, until

pytestmark = pytest.mark.timeout(300)

POINTS = ("webhook.after_claim", "webhook.after_send")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Takes every third message badly, the first time that it comes."""
    seen: set[str] = set()

    def reply(number: int, message: Message) -> int:
        bad = number % 3 == 0 and message.id not in seen
        seen.add(message.id)
        return 503 if bad else 200

    with receiving(reply) as made:
        yield made


@pytest.fixture
def stack(tmp_path: Path, database_url: str, redis_url: str, receiver: Receiver) -> Iterator[Stack]:
    settings = {
        "SCANMILL_EXTRA_PIPELINES": '["tests.pipelines:OBEDIENT"]',
        "SCANMILL_WEBHOOK_ALLOW": f"127.0.0.1:{receiver.port}",
        "SCANMILL_WEBHOOK_TIMEOUT_S": "1",
    }
    with running(Stack(tmp_path, database_url, redis_url, **settings)) as stack:
        yield stack


def plan(folder: Path, point: str, nth: int) -> str:
    return json.dumps([{"point": point, "action": "kill9", "nth": nth, "once": str(folder / f"{point} {nth}")}])


def test_every_end_arrives_though_controls_are_killed_while_they_send(
    stack: Stack, receiver: Receiver, tmp_path: Path
) -> None:
    stack.start("control")
    stack.start("worker", "--slots", "2", "--allow-cpu")
    stack.await_published("obedient")
    tenant = stack.tenant("one")
    with stack.database.begin() as connection:
        url = f"http://127.0.0.1:{receiver.port}/"
        webhook, secret = webhooks.create(connection, tenant, url=url, events=["scan.*"])
    stack.kill("control")
    ids = [
        stack.submit(tenant, f"picture {n}".encode(), system="obedient", options={"name": str(n)}) for n in range(24)
    ]
    until(lambda: stack.unfinished(ids) < len(ids), 60, stack.last_words)
    stack.kill("worker")
    stack.start("worker", "--slots", "2", "--allow-cpu")
    stack.start("control")  # it re-opens what the worker held
    until(lambda: stack.unfinished(ids) == 0, 90, stack.last_words)
    stack.kill("control")
    for number, point in enumerate(POINTS * 2, 1):
        stack.start("control", SCANMILL_FAULT_PLAN=plan(tmp_path, point, number))
        until(lambda: stack.processes["control"].poll() is not None, 60, stack.last_words)
        del stack.processes["control"]
    stack.start("control")
    stack.start("control:2")
    until(lambda: states(stack)["delivered"] == len(ids), 90, stack.last_words)
    of_scan = {(message.verified(secret)["data"]["id"], message.id) for message in receiver.messages}
    assert sorted(scan for scan, _ in of_scan) == sorted(map(str, ids)), "one id per scan, whatever was sent twice"
    assert len(receiver.messages) > len(ids), "something was sent twice: a kill after sending, or a bad answer"
    with stack.database.begin() as connection:
        log = webhooks.deliveries(connection, tenant, webhook.id)
    assert len(log) == len(ids) and {str(each.id) for each in log} == {delivery for _, delivery in of_scan}
    assert violations(stack.database, settled=True) == []
    assert sum(each.attempts > len(each.tries) for each in log) >= len(POINTS), "lost attempts are counted"


def states(stack: Stack) -> Counter[str]:
    with stack.database.begin() as connection:
        found = connection.exec_driver_sql("SELECT state FROM webhook_delivery").all()
    return Counter(each.state for each in found)
