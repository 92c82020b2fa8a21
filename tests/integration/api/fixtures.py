"""Fixtures for tests of the API; a test module names this module in ``pytest_plugins``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg2
import pytest

from cli.embedded import EmbeddedPostgres, EmbeddedRedis
from tests.integration.api.harness import Api, admit, environment, make_api
from tests.integration.api.server import Server

EMPTY = """DELETE FROM batch_item; DELETE FROM batch; DELETE FROM event; DELETE FROM stage_run; DELETE FROM idempotency_key; DELETE FROM result_artifact;
DELETE FROM result; DELETE FROM artifact; DELETE FROM scan; DELETE FROM api_key; DELETE FROM worker;
DELETE FROM count_delta; DELETE FROM scan_count; DELETE FROM training_run; DELETE FROM training_recipe;
DELETE FROM webhook_delivery; DELETE FROM webhook; DELETE FROM tenant;
DELETE FROM model_promotion; DELETE FROM model_request; DELETE FROM model_version; DELETE FROM current_pipeline"""


@pytest.fixture(scope="session")
def api_database(postgres: EmbeddedPostgres, template_database: str) -> str:
    """URL of one migrated database for all tests of the API, because they are many."""
    postgres.psql(f"CREATE DATABASE api_tests TEMPLATE {template_database}")
    return postgres.url("api_tests")


@pytest.fixture
def api_environment(
    api_database: str, redis_url: str, storage_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The settings of an API process on emptied servers of the test's own."""
    connection = psycopg2.connect(api_database.replace("postgresql+psycopg2://", "postgresql://"))
    with connection, connection.cursor() as cursor:
        cursor.execute(EMPTY)
    connection.close()
    settings = environment(api_database, redis_url, storage_dir)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return settings


@pytest.fixture
def api(api_environment: dict[str, str]) -> Iterator[Api]:
    """The app under test."""
    made = make_api()
    yield made
    made.here.doorbell.close()
    made.here.database.dispose()


@pytest.fixture(scope="session")
def shared_server(
    api_database: str, redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server of one process with a short temper and few threads for most tests here, on the database of ``api``."""
    folder = tmp_path_factory.mktemp("server")
    settings = environment(api_database, redis_server.url, folder / "storage")
    places = {"WORKERS": "1", "THREADS": "4", "MAX_WAITS": "1", "MAX_STREAMS": "1"}
    impatient = {**places, "BODY_TIMEOUT_S": "2", "OPEN": "false"}
    running = Server(
        settings | {f"SCANMILL_API_{name}": value for name, value in impatient.items()}, folder / "api.log"
    )
    admit(api_database)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def server(shared_server: Server, api: Api) -> Server:
    """The shared server, with an empty ledger."""
    return shared_server


@pytest.fixture
def own_server(api: Api, api_environment: dict[str, str], tmp_path: Path) -> Iterator[Server]:
    """A server that a test may stop or kill: it starts it itself."""
    running = Server(api_environment, tmp_path / "api.log")
    yield running
    running.stop()


@pytest.fixture
def client(api: Api, server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {api.tokens['a']}"}, timeout=20) as made:
        yield made
