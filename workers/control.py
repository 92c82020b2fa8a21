"""``scanmill control``: publishes the pipelines, then turns once a second. Two may run.

Other threads see to models (they fill storage from the packs and settle promotions, which may take a minute each), list
the sources of batches, send webhooks, remove files whose time is over, and count days for drift.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from functools import partial

from db.session import Database
from db.settings import DatabaseSettings
from pipeline import faults
from pipeline.definition import Pipeline
from pipeline.errors import ScanmillError, StorageUnavailable
from pipeline.models.room import ModelRoom
from pipeline.settings import PipelineSettings
from pipeline.tuning import tuned
from storage import Storage, open_storage
from tasks import control, drift, model_versions, retention
from tasks.drift_settings import DriftSettings
from tasks.promotion import PromotionDesk
from tasks.queue import Doorbell
from tasks.registry import pipelines
from tasks.settings import BatchSettings, TaskSettings
from tasks.source_listing import SourceLister
from tasks.verify import Job, Verdict, verify
from tasks.webhook_settings import WebhookSettings
from tasks.webhooks import WebhookSender
from workers import logs
from workers.turning import turning

log = logging.getLogger(__name__)

TURN_S = 1.0
LET_IN_S = 0.1
"""Seconds between looks for interactive scans that wait for others of their tenant to end."""
AWAY_S = 2.0
CLOSING_S = 5.0
"""Given to the page of a listing that is being written; without it that page is read again."""
STORE_EVERY_S, SWEEP_EVERY_S = 60.0, 60.0
"""Seconds between looks for files of packs that storage lacks, and for files whose time is over."""


def main(settings: TaskSettings | None = None) -> None:
    """Run until SIGTERM or SIGINT."""
    settings = settings or TaskSettings()
    logs.configure()
    faults.arm(settings.fault_plan, settings.env)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    database, storage = Database(DatabaseSettings()), open_storage()
    bell = Doorbell(settings.redis_url.get_secret_value(), settings.batch_size)
    sweep = partial(retention.turn, database, storage, settings.debug_lifetime_s)
    turning("retention", sweep, stopping, SWEEP_EVERY_S)
    measuring = DriftSettings()
    if measuring.every_s:
        turning("drift", partial(drift.turn, database, measuring), stopping, measuring.every_s)
    sender = WebhookSender(database, WebhookSettings())
    webhooks = threading.Thread(target=sender.run, args=(stopping,), name="webhooks", daemon=True)
    webhooks.start()
    lister = SourceLister(database, storage, PipelineSettings().image_limits, BatchSettings(), stopping)
    listing = turning("sources", lister.turn, stopping)
    known, published = tuned(pipelines(settings.extra_pipelines)), False
    while not stopping.is_set():
        try:
            if not published:
                room = ModelRoom.open()
                model_versions.add_packs(database, room.entries())
                control.publish(database, known, room)
                published = True
                log.info("pipelines published")
                models = Models(database, storage, room, known, settings, stopping)
                threading.Thread(target=models.run, name="models", daemon=True).start()
            until = time.monotonic() + TURN_S
            more = control.turn(database, bell, settings.bulk_window)
            control.let_in(database, bell, settings.interactive_window)
            while not more and time.monotonic() < until and not stopping.wait(LET_IN_S):
                control.let_in(database, bell, settings.interactive_window)
        except StorageUnavailable as error:
            log.warning("the ledger is away: %s", error.code)
            stopping.wait(AWAY_S)
    webhooks.join()
    listing.join(CLOSING_S)
    bell.close()


class Models:
    """What control does about models, in a thread of its own."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        room: ModelRoom,
        known: list[Pipeline],
        settings: TaskSettings,
        stopping: threading.Event,
    ) -> None:
        self._database = database
        self._storage = storage
        self._room = room
        self._settings = settings
        self._stopping = stopping
        self._desk = PromotionDesk(database, known, room, self._verify)
        self._stored = -STORE_EVERY_S

    def run(self) -> None:
        """Until control stops. Nothing that goes wrong here ends it."""
        while not self._stopping.is_set():
            pause = TURN_S
            try:
                if time.monotonic() - self._stored >= STORE_EVERY_S:
                    self._stored = time.monotonic()
                    model_versions.store_packs(self._database, self._storage, self._room)
                pause = 0.0 if self._desk.turn() else TURN_S
            except ScanmillError as error:
                log.warning("cannot see to models: %s", error.code)
                pause = AWAY_S
            except Exception:
                log.exception("seeing to models failed")
                pause = AWAY_S
            self._stopping.wait(pause)

    def _verify(self, job: Job) -> Verdict:
        [verdict] = verify([job], ledger=True, fault_plan=self._settings.fault_plan, env=self._settings.env)
        return verdict


if __name__ == "__main__":
    main()
