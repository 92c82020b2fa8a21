"""A workshop on a fresh database and folder for every test here."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.session import Database
from tests.unit.tasks.tiny import Workshop


@pytest.fixture
def shop(database: Database, storage_dir: Path) -> Workshop:
    return Workshop(database, storage_dir)
