"""What ``celery -A workers.app worker`` loads: the application, one task per stage and one for training, and the child's life.

The parent process imports the stages (for their names) but opens no model, database or storage.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Sequence
from typing import Any

from celery.signals import setup_logging, worker_process_init, worker_process_shutdown

from pipeline.contracts import Queue
from pipeline.errors import StorageUnavailable
from tasks.app import TRAIN_TASK, make_app
from tasks.registry import pipelines
from tasks.settings import TaskSettings
from tasks.stages import register_stages
from workers import logs
from workers.child import Child
from workers.settings import SlotSettings
from workers.train_child import TrainChild

log = logging.getLogger(__name__)
_settings = TaskSettings()
app = make_app(_settings.redis_url.get_secret_value())
_children: list[Child] = []
_trainers: list[TrainChild] = []


def work(run_ids: Sequence[int]) -> None:
    """Body of every stage's task. The ledger being away costs this call, not the work."""
    for child in _children:
        try:
            child.hands.work(run_ids)
        except StorageUnavailable:
            return


def train(run_ids: Sequence[str]) -> None:
    """Body of the training task: look at these runs. Whoever is busy leaves them to others, or to its next look."""
    for child in _trainers:
        try:
            child.trainer.work(run_ids)
        except StorageUnavailable:
            return


app.task(train, name=TRAIN_TASK, shared=False)
register_stages(app, {stage.name for known in pipelines(_settings.extra_pipelines) for stage in known.stages}, work)


def _logging(**_: Any) -> None:
    logs.configure()


def _start(**_: Any) -> None:
    """Make the child. Celery would swallow what goes wrong here and keep a child that does nothing."""
    try:
        if Queue.TRAIN in SlotSettings().kinds:
            trainer = TrainChild(app)
            trainer.start()
            _trainers.append(trainer)
        else:
            child = Child(app)
            child.start()
            _children.append(child)
    except Exception:
        log.exception("the worker child cannot start")
        logging.shutdown()
        os.killpg(os.getpgrp(), signal.SIGKILL)


def _stop(**_: Any) -> None:
    for child in _children:
        child.stop()
    for trainer in _trainers:
        trainer.stop()


setup_logging.connect(_logging)
worker_process_init.connect(_start)
worker_process_shutdown.connect(_stop)
