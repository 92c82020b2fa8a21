"""A mill on a fresh database for every test here."""

from __future__ import annotations

import pytest

from db.session import Database
from tests.ledger import Mill


@pytest.fixture
def mill(database: Database) -> Mill:
    return Mill(database)
