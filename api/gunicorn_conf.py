"""Gunicorn's settings, from ours: ``gunicorn -c python:api.gunicorn_conf api.wsgi:app``."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from api.settings import ApiSettings
from api.startup import StartRefused, check_start
from db.session import Database
from db.settings import DatabaseSettings

_settings = ApiSettings()

_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host
bind = [f"{_host}:{_settings.port}" if _settings.fd is None else f"fd://{_settings.fd}"]
workers = _settings.workers
threads = _settings.threads
worker_class = "api.worker.PatientWorker"
worker_connections = min(1_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 128)
_memory = Path("/dev/shm")
worker_tmp_dir = str(_memory) if _memory.is_dir() else None
"""The heartbeat's file: on a disk it could block, and the worker be taken for dead."""
timeout = 60
graceful_timeout = _settings.drain_s
keepalive = 5
limit_request_line = 4_094
limit_request_fields = 64
limit_request_field_size = 8_190
forwarded_allow_ips = ""
control_socket_disable = True
accesslog = None
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "api.logs.Formatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
    "root": {"level": "DEBUG" if _settings.debug else "INFO", "handlers": ["stderr"]},
    "loggers": {"gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True}},
}
proc_name = "scanmill-api"

if workers > 1:
    # One process's counters would be a part of the truth: with several they are files that a scrape adds up.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="scanmill-api-metrics-")


def on_starting(server: Any) -> None:
    """Refuse to start, once and in the parent: a process that is replaced later must not take the others down."""
    database = Database(DatabaseSettings(db_pool_size=1))
    try:
        check_start(_settings, database)
    except StartRefused as refused:
        server.log.critical(str(refused))
        sys.exit(3)
    finally:
        database.dispose()


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001  gunicorn names the arguments
    """Take a dead process's gauges out of the sum."""
    if workers > 1:
        # Not at the top: prometheus_client decides between memory and files when it is first imported.
        from prometheus_client import multiprocess  # noqa: PLC0415

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:  # noqa: ARG001  the same
    """Take the files along."""
    if workers > 1:
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
