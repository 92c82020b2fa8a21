"""``scanmill control``: publishes the pipelines, then turns once a second. Two may run."""

from __future__ import annotations

import logging
import signal
import threading

from db.session import Database
from db.settings import DatabaseSettings
from pipeline import faults
from pipeline.errors import StorageUnavailable
from pipeline.models.room import ModelRoom
from tasks import control
from tasks.queue import Doorbell
from tasks.registry import pipelines
from tasks.settings import TaskSettings
from workers import logs

log = logging.getLogger(__name__)

TURN_S = 0.5
AWAY_S = 2.0


def main(settings: TaskSettings | None = None) -> None:
    """Run until SIGTERM or SIGINT."""
    settings = settings or TaskSettings()
    logs.configure()
    faults.arm(settings.fault_plan, settings.env)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    database = Database(DatabaseSettings())
    bell = Doorbell(settings.redis_url.get_secret_value(), settings.batch_size)
    published = False
    while not stopping.is_set():
        try:
            if not published:
                control.publish(database, pipelines(settings.extra_pipelines), ModelRoom.open())
                published = True
                log.info("pipelines published")
            if control.turn(database, bell, settings.bulk_window):
                continue
        except StorageUnavailable as error:
            log.warning("the ledger is away: %s", error.code)
            stopping.wait(AWAY_S)
        stopping.wait(TURN_S)
    bell.close()


if __name__ == "__main__":
    main()
