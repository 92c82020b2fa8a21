"""The child of a slot that trains. What trains is a process of its own, so TensorFlow never comes in here."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from celery import Celery

from db import training_runs, training_work
from pipeline.errors import StorageUnavailable
from pipeline.models.settings import ModelSettings
from storage import open_storage
from tasks.app import TRAIN_TASK
from tasks.settings import TrainingSettings
from tasks.training import recipes
from tasks.training.trainer import Trainer
from workers.slot_child import SlotChild

log = logging.getLogger(__name__)


class TrainChild(SlotChild):
    """A training child at work, from its start to its end."""

    def __init__(self, app: Celery) -> None:
        super().__init__(app)
        settings = TrainingSettings()
        device = ModelSettings().device
        self._known: dict[str, str] = {}
        self._profile = f"training {device}"
        self.trainer = Trainer(
            database=self.database,
            storage=open_storage(),
            owner=self.owner,
            settings=settings,
            lease_s=self.tasks.lease_s,
            folder=Path(self.slot.board).with_suffix(".training"),
            defaults={"budget": "gpu" if device == "cuda" else "cpu"},
            watch=self._watch,
        )

    def start(self) -> None:
        """Announce the child, then begin to look for work."""
        self.begin(profile=self._profile, stop=self.trainer.stopping, current=tuple)
        self.in_a_thread("poll", self._learn_and_look)

    def stop(self, grace_s: float = 20.0) -> None:
        """Break off what is being trained, which keeps its checkpoint, and hand back what is leased."""
        self.trainer.stopping.set()
        self.ended.set()
        self.trainer.join(grace_s)
        try:
            with self.database.begin() as connection:
                freed = training_work.release(connection, self.owner, died=False)
            self.bell.ring_training(freed)
        except StorageUnavailable:
            log.warning("could not hand back a training; its lease will run out")
        self.bell.close()

    def _learn_and_look(self) -> None:
        """Which recipes there are takes seconds to find out. A host on which that fails is of no use, and restarts."""
        try:
            self._known = recipes.known()
        except recipes.NoTraining:
            log.exception("this host cannot train")
            logging.shutdown()
            os.killpg(os.getpgrp(), signal.SIGKILL)
        self.poll(self._look)

    def _look(self) -> None:
        if not self.trainer.recipes:
            with self.database.begin() as connection:
                training_runs.announce(connection, self._known)
            self.trainer.recipes = tuple(self._known)
        while self.trainer.work():
            pass

    @contextmanager
    def _watch(self, run_id: UUID) -> Iterator[None]:
        """Say what it is at; a training has no deadline but the one that its parameters give it."""
        self.busy(TRAIN_TASK, None)
        try:
            with self.events.named(TRAIN_TASK, [str(run_id)]):
                yield
        finally:
            self.idle()
