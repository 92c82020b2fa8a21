"""The Flask app: the table of operations made into routes, with one way in and one way out."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Flask, Response, request

from api import auth, cors, logs, problems, replies
from api.auth import KeyCache
from api.health import ModelsAtHand
from api.metrics import Metrics
from api.openapi import document
from api.operation import Operation
from api.operations import OPERATIONS
from api.scanpack.settings import SigningSettings
from api.services import EXTENSION, Services
from api.settings import ApiSettings
from api.slots import Slots
from api.system import Readiness, version
from api.upload import FRAMING_BYTES
from db.session import Database
from db.settings import DatabaseSettings
from pipeline.settings import PipelineSettings
from storage import open_storage
from tasks.drift_settings import DriftSettings
from tasks.queue import Doorbell
from tasks.settings import BatchSettings, TaskSettings, TrainingSettings

READY_FOR_S = 2.0


def create_app(settings: ApiSettings | None = None) -> Flask:
    """The app with everything it needs, from the environment unless given. Opens no connection yet."""
    settings = settings or ApiSettings()
    return assemble(connect(settings))


def connect(settings: ApiSettings) -> Services:
    """The services of one process. Not before a fork: pools and threads do not survive one."""
    database = Database(DatabaseSettings(db_pool_size=settings.threads))
    metrics = Metrics()
    return Services(
        settings=settings,
        limits=PipelineSettings().image_limits,
        training=TrainingSettings(),
        batches=BatchSettings(),
        drift=DriftSettings(),
        database=database,
        storage=open_storage(),
        doorbell=Doorbell(TaskSettings().redis_url.get_secret_value()),
        keys=KeyCache(settings.key_cache_s),
        readiness=Readiness(READY_FOR_S),
        at_hand=ModelsAtHand(),
        metrics=metrics,
        waits=Slots(settings.max_waits, metrics.held.labels("wait")),
        streams=Slots(settings.max_streams, metrics.held.labels("stream")),
        uploads=Slots(max(1, settings.threads // 2), metrics.held.labels("upload")),
        signing_key=SigningSettings().key,
    )


def assemble(made: Services, operations: Iterable[Operation] = OPERATIONS) -> Flask:
    """The app around its services."""
    app = Flask(__name__, static_folder=None)
    app.extensions[EXTENSION] = made
    app.config["MAX_CONTENT_LENGTH"] = made.limits.max_bytes + FRAMING_BYTES
    app.json = replies.StrictJson(app)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    public = made.settings.public_url or ""
    replies.register(app, https=public.startswith("https:"))
    logs.register(app)
    problems.register(app)
    cors.register(app, made.settings.origins)
    table = {operation.endpoint: operation for operation in operations}
    made.openapi = document(table.values(), version())
    for operation in table.values():
        _route(app, operation)

    @app.before_request
    def known() -> Response | None:
        """The key is checked before the body is read, and before a handler runs."""
        operation = table.get(request.endpoint or "")
        if operation is not None and operation.scope is not None:
            auth.require(operation.scope)
        return None

    return app


def _route(app: Flask, operation: Operation) -> None:
    app.add_url_rule(
        operation.path,
        operation.endpoint,
        operation.handler,
        methods=[operation.method],
        provide_automatic_options=False,
    )
