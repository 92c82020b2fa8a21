"""Fixtures for everyone: real PostgreSQL and Redis servers once per test process, a fresh database per test.

They come from wheels, so they are never skipped: where they do not start, the test fails and says why.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from cli.embedded import EmbeddedPostgres, EmbeddedRedis
from db import migrate
from db.session import Database
from db.settings import DatabaseSettings
from pipeline.setting_names import SEED_NAMES
from tests import databases


def _settings() -> list[str]:
    """Variables that are set and that any room reads: ours, and the seeds' names of them."""
    return [name for name in os.environ if name.startswith("SCANMILL_") or name in SEED_NAMES.values()]


for _name in _settings():
    del os.environ[_name]  # a developer's own settings never reach a test


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that may take longest come first, so that no process waits at the end for another one's long file."""
    patience: dict[Path, float] = {}
    for item in items:
        mark = item.get_closest_marker("timeout")
        patience[item.path] = max(patience.get(item.path, 0), mark.args[0] if mark else 0)
    items.sort(key=lambda item: -patience[item.path])


@pytest.fixture(autouse=True)
def _settings_do_not_leak() -> Iterator[None]:
    """Every test starts without SCANMILL_* variables, and what it sets ends with it."""
    yield
    for name in _settings():
        del os.environ[name]


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder for servers' data that a dropped user reaches too (pytest's own is private)."""
    folder = Path(tempfile.mkdtemp(prefix="scanmill-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(server_folder: Path) -> Iterator[EmbeddedPostgres]:
    """One PostgreSQL server for this test process; tests that stop or kill a server start their own."""
    server = EmbeddedPostgres(server_folder / "postgres", fsync=False)
    server.start()
    yield server
    server.destroy()


@pytest.fixture(scope="session")
def redis_server(server_folder: Path) -> Iterator[EmbeddedRedis]:
    """One Redis server for this test process; tests that stop or kill a server start their own."""
    server = EmbeddedRedis(server_folder / "redis")
    server.start()
    yield server
    server.destroy()


@pytest.fixture(scope="session")
def template_database(postgres: EmbeddedPostgres) -> str:
    """A migrated database that is cloned for each test and never written to."""
    name = "template_scanmill"
    databases.create(postgres, name, "template0")
    database = _open(postgres.url(name))
    migrate.upgrade(database)
    database.dispose()
    return name


@pytest.fixture(scope="session")
def servers(
    postgres: EmbeddedPostgres, redis_server: EmbeddedRedis, template_database: str
) -> tuple[EmbeddedPostgres, EmbeddedRedis, str]:
    """What `tests.stack.opened` needs."""
    return postgres, redis_server, template_database


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, template_database: str) -> Iterator[str]:
    """SQLAlchemy URL of a fresh migrated database, dropped after the test."""
    with databases.fresh(postgres, template_database) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The ledger's door to a fresh migrated database."""
    database = _open(database_url)
    yield database
    database.dispose()


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """SQLAlchemy URL of a fresh database without any table, dropped after the test: for tests of migrations."""
    with databases.fresh(postgres, "template0") as url:
        yield url


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    """URL of an empty Redis; it is emptied again before the next test."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture
def storage_dir(tmp_path: Path) -> Path:
    """An empty folder for artifacts; `f"file://{storage_dir}"` is its SCANMILL_STORAGE_URL."""
    folder = tmp_path / "storage"
    folder.mkdir()
    return folder


def _open(url: str) -> Database:
    return Database(DatabaseSettings(database_url=SecretStr(url)))
