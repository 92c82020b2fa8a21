"""One whole service for every test that breaks nothing; each file is a tenant of its own, so that nothing is reused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.house import Guest, House


@pytest.fixture(scope="session")
def open_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder below which the service may list pictures."""
    return tmp_path_factory.mktemp("open")


@pytest.fixture(scope="session")
def whole_house(server_folder: Path, open_folder: Path) -> Iterator[House]:
    folder = server_folder / "house"
    folder.mkdir()
    roots = {"SCANMILL_BATCH_ROOTS": json.dumps([str(open_folder)])}
    with House(folder, slots=2, environment=roots) as running:
        yield running


@pytest.fixture(scope="module")
def guest(whole_house: House, request: pytest.FixtureRequest) -> Guest:
    """A tenant of the service that all share."""
    return whole_house.guest(request.path.stem)
