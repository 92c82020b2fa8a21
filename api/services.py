"""What the handlers need, made once per process: database, storage, doorbell, bounded places, metrics."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from flask import current_app

from api.metrics import Metrics
from api.settings import ApiSettings
from api.slots import Slots

if TYPE_CHECKING:
    from api.auth import KeyCache
    from api.health import ModelsAtHand
    from api.scanpack.signing import SigningKey
    from api.system import Readiness
    from db.session import Database
    from pipeline.sniff import ImageLimits
    from storage.base import Storage
    from tasks.drift_settings import DriftSettings
    from tasks.queue import Doorbell
    from tasks.settings import BatchSettings, TrainingSettings

EXTENSION = "scanmill"
COLLECTED = "collected"
"""Set on a request's body by ``api.worker`` when all of it is here: reading it holds no thread up."""


@dataclass
class Services:
    """Everything with a life longer than a request."""

    settings: ApiSettings
    limits: ImageLimits
    training: TrainingSettings
    batches: BatchSettings
    drift: DriftSettings
    database: Database
    storage: Storage
    doorbell: Doorbell
    keys: KeyCache
    readiness: Readiness
    at_hand: ModelsAtHand
    metrics: Metrics
    waits: Slots
    streams: Slots
    uploads: Slots
    signing_key: SigningKey | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    openapi: dict[str, Any] = field(default_factory=dict)


def services() -> Services:
    """The running app's services."""
    return cast("Services", current_app.extensions[EXTENSION])
