from __future__ import annotations

import pytest

from pipeline.models.room import ModelRoom
from tests.unit.pipeline import items


@pytest.fixture(scope="session")
def tiny_room(tmp_path_factory: pytest.TempPathFactory) -> ModelRoom:
    """The cat pipeline's models as tiny networks that answer by colour."""
    return items.room(tmp_path_factory.mktemp("packs"))
