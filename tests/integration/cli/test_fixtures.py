"""The fixtures everyone builds on: fresh, migrated, empty, and gone afterwards."""

from __future__ import annotations

import os

import pytest
import redis
import sqlalchemy as sa

from cli.embedded import EmbeddedPostgres
from db import migrate
from db.session import Database


def test_every_test_gets_a_migrated_database(database: Database) -> None:
    assert not migrate.pending(database)
    with database.begin() as connection:
        connection.execute(sa.text("CREATE TABLE left_behind (x int)"))


def test_no_test_sees_what_another_one_left(database: Database) -> None:
    with database.begin() as connection:
        found = connection.execute(sa.text("SELECT to_regclass('left_behind')")).scalar()
    assert found is None


def test_databases_are_dropped_after_their_test(postgres: EmbeddedPostgres) -> None:
    left = postgres.psql("SELECT count(*) FROM pg_database WHERE datname LIKE 'test\\_%'")
    assert left.stdout.strip() == "0"


@pytest.mark.parametrize("round", [1, 2])
def test_redis_is_empty_at_the_start_of_a_test(redis_url: str, round: int) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


@pytest.mark.parametrize("round", [1, 2])
def test_settings_do_not_leak_between_tests(round: int) -> None:
    assert not [name for name in os.environ if name.startswith("SCANMILL_")]
    os.environ["SCANMILL_ENV"] = "test"
