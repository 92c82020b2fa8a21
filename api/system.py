"""How the service itself is doing."""

from __future__ import annotations

import importlib.metadata
import logging
import threading
import time
from collections.abc import Callable

from flask import Response, jsonify

from api.auth import principal, require_metrics_token
from api.services import Services, services
from db import deletion, drift_alerts, migrate, pipelines, training_runs, views, webhook_work
from pipeline.errors import StorageUnavailable

log = logging.getLogger("scanmill.api")


def version() -> str:
    """The installed version; a checkout that was never installed says so."""
    try:
        return importlib.metadata.version("scanmill")
    except importlib.metadata.PackageNotFoundError:
        return "0+checkout"


def ready() -> Response:
    """200 when a submit would be accepted and could be worked on, else 503; each check is named."""
    checks = services().readiness.checks(_probe)
    passed = all(passed for name, passed in checks.items() if name != "redis")
    status = ("ready" if checks["redis"] else "degraded") if passed else "not ready"
    response = jsonify({"status": status, "checks": checks})
    response.status_code = 200 if passed else 503
    return response


class Readiness:
    """The last answer, kept for a moment: a probe writes to storage, and anybody may ask."""

    def __init__(self, lifetime_s: float) -> None:
        self._lifetime_s = lifetime_s
        self._lock = threading.Lock()
        self._until = 0.0
        self._last: dict[str, bool] = {}

    def checks(self, probe: Callable[[Services], dict[str, bool]]) -> dict[str, bool]:
        with self._lock:
            if not self._last or time.monotonic() >= self._until:
                self._last = probe(services())
                self._until = time.monotonic() + self._lifetime_s
            return self._last


def _probe(here: Services) -> dict[str, bool]:
    passed = {name: _passes(name, check, here) for name, check in _CHECKS.items()}
    return {**passed, "redis": here.doorbell.answers()}


def _passes(name: str, check: Callable[[Services], bool], here: Services) -> bool:
    try:
        return check(here)
    except Exception as error:  # noqa: BLE001  whatever a probe runs into, the answer is "not ready"
        log.warning("a readiness check failed", extra={"check": name, "reason": str(error)[:256]})
        return False


def _database(here: Services) -> bool:
    with here.database.begin() as connection:
        pipelines.listing(connection)
    return True


def _migrations(here: Services) -> bool:
    return not migrate.pending(here.database)


def _storage(here: Services) -> bool:
    here.storage.check()
    return True


def _pipeline(here: Services) -> bool:
    with here.database.begin() as connection:
        return bool(pipelines.listing(connection))


_CHECKS: dict[str, Callable[[Services], bool]] = {
    "database": _database,
    "migrations": _migrations,
    "storage": _storage,
    "pipeline": _pipeline,
}


def list_pipelines() -> Response:
    """The systems that can be scanned with, each with its stages and switches."""
    with services().database.begin() as connection:
        found = pipelines.listing(connection)
    return jsonify({"items": found})


def system() -> Response:
    """The tenant's counts, which add up: every scan is in exactly one status."""
    with services().database.begin() as connection:
        counts = views.counts(connection, principal().tenant_id)
    return jsonify({"version": version(), "scans": counts})


def metrics() -> Response:
    """Prometheus' text format."""
    require_metrics_token()
    here = services()
    totals: dict[str, int] | None
    deleted: dict[str, int] = {}
    trainings: dict[str, int] = {}
    webhooks: dict[str, float] = {}
    drift: dict[tuple[str, str], int] | None = None
    try:
        with here.database.begin() as connection:
            totals = views.counts(connection, None)
            deleted = deletion.counts(connection)
            trainings = training_runs.counts(connection)
            webhooks = webhook_work.figures(connection)
            drift = drift_alerts.figures(connection)
            del totals["submitted"]  # the sum over the statuses is Prometheus' to take
    except StorageUnavailable:
        totals = None
    return Response(
        here.metrics.page(totals, deleted, trainings, webhooks, drift),
        content_type="text/plain; version=0.0.4; charset=utf-8",
    )
