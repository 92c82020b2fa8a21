"""The Celery application: messages are wake-up calls that carry ids and no authority.

Losing, doubling or reordering one changes nothing but latency, so nothing here tries to make delivery safe: early
acknowledgement, no result backend, no retry, no time limit. Events and remote control stay on, for Flower alone.
"""

from __future__ import annotations

from celery import Celery
from kombu.entity import Exchange
from kombu.entity import Queue as CeleryQueue

from pipeline.contracts import Lane, Queue

QUEUES = tuple(
    [f"{queue}.{lane.name.lower()}" for queue in (Queue.CPU, Queue.GPU) for lane in Lane] + [str(Queue.TRAIN)]
)

TRAIN_TASK = "train.run"
"""Flower's name of a training."""


def make_app(redis_url: str) -> Celery:
    """An application on the given broker. Connecting is left to the first use."""
    app = Celery("scanmill", broker=redis_url, set_as_current=False)
    app.conf.update(
        task_acks_late=False,
        task_ignore_result=True,
        result_backend=None,
        task_serializer="json",
        accept_content=["json"],
        task_publish_retry=False,
        task_create_missing_queues=False,
        task_queues=[_queue(name) for name in QUEUES],
        task_default_queue=QUEUES[0],
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_send_task_events=True,
        worker_proc_alive_timeout=60,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_limit=2,
        broker_transport_options={
            "socket_timeout": 2,
            "socket_connect_timeout": 1,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "visibility_timeout": 3600,
            # Sending gives up at once when Redis is away: with Kombu's own patience an event held up its stage for 7 s.
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0,
            "interval_max": 0,
        },
        enable_utc=True,
    )
    return app


def _queue(name: str) -> CeleryQueue:
    """A queue with an exchange and key of its own: queues that share a key would each get every message."""
    return CeleryQueue(name, Exchange(name), routing_key=name)  # type: ignore[no-untyped-call]  # kombu has no types


def task_name(stage: str) -> str:
    """Flower's name of a stage's task."""
    return f"scan.{stage}"
