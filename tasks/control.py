"""One turn of ``control``: what must happen though nobody asks. Safe to run several times at once."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from db import admission, batch_again, batch_ends, ledger, model_promotions, pipelines, training_work
from db.results import settle_followers
from db.session import Connection, Database
from pipeline.definition import Pipeline
from tasks.queue import Doorbell
from tasks.registry import ModelLoader

log = logging.getLogger(__name__)

PAGE = 200
"""Bulk scans admitted in one transaction."""


def publish(database: Database, known: Iterable[Pipeline], room: ModelLoader) -> None:
    """Store each pipeline with its models' digests; new scans get that version from now on."""
    with database.begin() as connection:
        publish_current(connection, known, room)


def publish_current(connection: Connection, known: Iterable[Pipeline], room: ModelLoader) -> None:
    """Publish with the versions that were promoted, and the packs' own where none was.

    What was promoted is read under the lock: a control that starts now cannot bring back what another just replaced.
    A system of which no pack here has a model is not offered: it would accept scans that nobody could run.
    """
    pipelines.lock(connection)
    digests = room.digests() | model_promotions.promoted(connection)
    for pipeline in known:
        if missing := pipeline.models - digests.keys():
            log.warning("%s is not offered: no pack here has %s", pipeline.system, ", ".join(sorted(missing)))
            continue
        pipelines.publish(connection, pipeline.specification(digests))


def let_in(database: Database, bell: Doorbell, interactive_window: int) -> None:
    """Start waiting interactive scans, tenant by tenant: somebody waits for them, so this is due more often than a turn."""
    with database.begin() as connection:
        admitted = admission.admit_interactive(connection, interactive_window, PAGE)
    bell.ring(admitted)


def turn(database: Database, bell: Doorbell, bulk_window: int) -> bool:
    """Re-open lost leases, see to batches, admit bulk scans, let followers of ended runs go on, fold counts.

    Returns whether it admitted, listed or cancelled a whole page: then more are waiting. After a smaller one a pause lets the next ones
    gather, so that bulk scans come in full micro-batches even while a client is still submitting them.
    """
    with database.begin() as connection:
        reopened = ledger.expire(connection)
    bell.ring(reopened)
    with database.begin() as connection:
        lost = training_work.expire(connection)
    bell.ring_training(lost)
    with database.begin() as connection:
        freed = settle_followers(connection)
    bell.ring(freed)
    more = see_to_batches(database)
    with database.begin() as connection:
        admitted = admission.admit(connection, bulk_window, PAGE)
    bell.ring(admitted)
    with database.begin() as connection:
        admission.fold_counts(connection)
        admission.forget_workers(connection)
    return more or len(admitted) >= PAGE


def see_to_batches(database: Database) -> bool:
    """Stop hopeless batches, cancel and list a page, end what is over; whether more is to be cancelled or listed."""
    with database.begin() as connection:
        batch_ends.stop_hopeless(connection)
    with database.begin() as connection:
        cancelled = batch_ends.cancel_page(connection)
    with database.begin() as connection:
        listed = batch_again.list_page(connection)
    with database.begin() as connection:
        batch_ends.finish(connection)
    return bool(cancelled or listed >= batch_again.PAGE)
