"""The doorbell: small messages to the right queue, and never a reason to wait, fail or stop."""

from __future__ import annotations

import base64
import json
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from db.settle import Ready
from pipeline.contracts import Lane, Queue
from tasks import queue
from tasks.app import QUEUES, make_app, task_name
from tasks.events import CarriedEvents
from tasks.queue import Doorbell
from tasks.settings import TaskSettings
from tasks.stages import register_stages

NOWHERE = "redis://127.0.0.1:1/0"
PATIENCE_S = 20.0
"""For what takes a moment; to wait for Redis each time would take minutes. A busy machine may take its time."""


def ready(run_id: int, stage: str = "look", of: Queue = Queue.GPU, lane: Lane = Lane.INTERACTIVE) -> Ready:
    return Ready(run_id, 1, stage, of, lane)


def messages(url: str, name: str) -> list[dict[str, Any]]:
    """Messages waiting in a Celery queue, oldest first."""
    with redis.Redis.from_url(url) as client:
        return [json.loads(each) for each in reversed(client.lrange(name, 0, -1))]


def arguments(message: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(message["body"]))[0]


@contextmanager
def bell(url: str, **more: Any) -> Iterator[Doorbell]:
    made = Doorbell(url, **more)
    yield made
    made.close(5)


def test_a_ring_is_one_message_per_stage_and_micro_batch(redis_url: str) -> None:
    with bell(redis_url, batch_size=3) as doorbell:
        doorbell.ring([ready(n) for n in range(5)] + [ready(9, "fetch", Queue.CPU, Lane.BULK)])
    gpu, cpu = messages(redis_url, "gpu.interactive"), messages(redis_url, "cpu.bulk")
    assert [(m["headers"]["task"], arguments(m)) for m in gpu] == [("scan.look", [[0, 1, 2]]), ("scan.look", [[3, 4]])]
    assert [(m["headers"]["task"], arguments(m)) for m in cpu] == [("scan.fetch", [[9]])]
    assert {"gpu.interactive", "cpu.bulk"} <= set(QUEUES)


def test_a_training_is_called_for_by_its_id_alone(redis_url: str) -> None:
    ids = [uuid.uuid4(), uuid.uuid4()]
    with bell(redis_url) as doorbell:
        doorbell.ring_training(ids)
    calls = [(each["headers"]["task"], arguments(each)) for each in messages(redis_url, "train")]
    assert calls == [("train.run", [[str(each)]]) for each in ids]


def test_a_message_carries_ids_and_nothing_else(redis_url: str) -> None:
    largest = 2**63 - 1
    with bell(redis_url, batch_size=14) as doorbell:
        doorbell.ring([ready(largest - n) for n in range(14)])
    (message,) = messages(redis_url, "gpu.interactive")
    body = json.loads(base64.b64decode(message["body"]))
    assert len(json.dumps(body[0])) <= 300, "even for the largest ids there are"
    assert body[1] == {} and {k for k, v in body[2].items() if v} == set()
    assert message["headers"]["retries"] == 0 and message["headers"]["eta"] is None


def test_ringing_never_waits_for_a_redis_that_is_gone() -> None:
    with bell(NOWHERE) as doorbell:
        began, worked = time.monotonic(), time.thread_time()
        for n in range(3 * queue.BACKLOG):
            doorbell.ring([ready(n)])
        assert time.thread_time() - worked < 1.0, "to send is the other thread's work"
        assert time.monotonic() - began < PATIENCE_S
        assert doorbell._waiting.qsize() <= queue.BACKLOG
        assert not doorbell.answers()


def test_ringing_never_waits_for_a_redis_that_does_not_answer() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        doorbell = Doorbell(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = time.monotonic()
        for n in range(2 * queue.BACKLOG):
            doorbell.ring([ready(n)])
        doorbell.close(0.1)
        assert time.monotonic() - began < PATIENCE_S


def test_the_bell_rings_again_when_redis_is_back_whatever_it_said_before(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.lpush("holder", "1")
        client.set("gpu.interactive", "not a list: every push is refused")
        with bell(redis_url) as doorbell:
            doorbell.ring([ready(1)])
            deadline = time.monotonic() + 10
            while doorbell._waiting.qsize() and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.2)
            assert doorbell._thread.is_alive()
            client.delete("gpu.interactive")
            doorbell.ring([ready(2)])
        assert [arguments(m) for m in messages(redis_url, "gpu.interactive")] == [[[2]]]
        assert doorbell.answers()


def test_nothing_to_ring_for_sends_nothing(redis_url: str) -> None:
    with bell(redis_url) as doorbell:
        doorbell.ring([])
    assert [name for name in QUEUES if messages(redis_url, name)] == []


def test_every_stage_has_a_task_of_its_own_name_that_only_works() -> None:
    app, called = make_app(NOWHERE), list[Any]()
    register_stages(app, ["look", "fetch"], called.append)
    assert {name for name in app.tasks if name.startswith("scan.")} == {"scan.look", "scan.fetch"}
    app.tasks[task_name("look")]([3, 4])
    app.tasks[task_name("fetch")]([5])
    assert called == [[3, 4], [5]]


def test_the_application_leaves_nothing_to_celery() -> None:
    conf = make_app(NOWHERE).conf
    assert conf.result_backend is None and conf.task_ignore_result
    assert (conf.task_time_limit, conf.task_soft_time_limit) == (None, None)
    assert not conf.task_acks_late and not conf.task_create_missing_queues
    assert conf.accept_content == ["json"] == [conf.task_serializer]
    assert (
        {q.name for q in conf.task_queues}
        == set(QUEUES)
        == {"cpu.interactive", "cpu.bulk", "gpu.interactive", "gpu.bulk", "train"}
    )


def test_events_of_carried_stages_are_dropped_and_not_tried_again_while_redis_is_away() -> None:
    events = CarriedEvents(make_app(NOWHERE), "cpu0@host")
    took = []
    for _ in range(3):
        began = time.monotonic()
        with events.task("look", [1, 2]):
            pass
        took.append(time.monotonic() - began)
    assert took[0] < 2.5 and max(took[1:]) < 0.1, took


def test_settings_refuse_tools_of_tests_outside_of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANMILL_REDIS_URL", NOWHERE)
    assert TaskSettings().env == "production"
    for name, value in (("FAULT_PLAN", "[]"), ("EXTRA_PIPELINES", '["a:B"]')):
        with monkeypatch.context() as patch:
            patch.setenv(f"SCANMILL_{name}", value)
            for env in ("production", "development"):
                patch.setenv("SCANMILL_ENV", env)
                with pytest.raises(ValueError, match="need SCANMILL_ENV=test"):
                    TaskSettings()
            patch.setenv("SCANMILL_ENV", "test")
            TaskSettings()
    assert "127.0.0.1" not in repr(TaskSettings()), "the address may hold a password"
