"""Structured logs: one JSON object per line, with scan, stage and attempt where they are known."""

from __future__ import annotations

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

FIELDS = "%(asctime)s %(levelname)s %(name)s %(message)s"
NOISY = ("celery.worker.strategy", "celery.app.trace", "alembic.runtime.migration")
"""Loggers whose INFO lines repeat what ours say."""


def configure(level: int = logging.INFO) -> None:
    """Log to standard error, replacing whatever was there."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(FIELDS, rename_fields={"asctime": "time", "levelname": "level", "name": "logger"})
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
