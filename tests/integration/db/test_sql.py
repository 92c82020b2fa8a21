"""Statements are planned once per connection, by index whatever the tables held then, and mean what they say."""

from __future__ import annotations

from uuid import uuid4

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from db import admission, ledger, pipelines, scans, views
from db.inputs import NeedReader, stages_of
from db.results import settle_followers
from db.session import Connection, Database
from db.settings import DatabaseSettings
from db.sql import PREPARED, row, rows
from pipeline.contracts import Lane
from pipeline.errors import StorageUnavailable
from tests.ledger import Mill

GROWING = ("scan", "stage_run", "result", "result_artifact", "artifact", "event", "idempotency_key")
"""Tables that hold everything there ever was."""

ECHO = "SELECT CAST(:texts AS text[]) AS texts, CAST(:number AS float) AS number, CAST(:nothing AS int) AS nothing"


def test_a_statement_is_prepared_once_per_connection(database: Database) -> None:
    with database.begin() as connection:
        for number in range(3):
            assert rows(connection, "SELECT CAST(:n AS int) AS n", n=number)[0].n == number
        kept = connection.exec_driver_sql("SELECT statement, generic_plans FROM pg_prepared_statements").all()
    assert [tuple(each) for each in kept] == [(kept[0].statement, 3)]
    assert "CAST($1 AS int)" in kept[0].statement


@pytest.mark.parametrize(
    "text", ["plain", "", 'a "quoted" one', "back\\slash", "{brace,comma}", "NULL", "äöü 🐈", "100%"]
)
def test_parameters_arrive_as_they_were_given(database: Database, text: str) -> None:
    with database.begin() as connection:
        found = row(connection, ECHO, texts=[text, text], number=0.25, nothing=None)
    assert found is not None
    assert (found.texts, found.number, found.nothing) == ([text, text], 0.25, None)


def test_colons_and_per_cents_of_the_statement_stay(database: Database) -> None:
    with database.begin() as connection:
        found = row(connection, "SELECT '7'::int % 4 AS rest, CAST(:n AS int) AS n", n=1)
    assert found is not None
    assert (found.rest, found.n) == (3, 1)


def test_what_was_prepared_outlives_a_failed_transaction(database: Database) -> None:
    for divisor in (1, 0, 1):
        try:
            with database.begin() as connection:
                assert rows(connection, "SELECT 1 / CAST(:n AS int) AS n", n=divisor)[0].n == 1
        except sa.exc.DBAPIError:
            assert divisor == 0


def test_a_new_connection_prepares_anew(database_url: str) -> None:
    settings = DatabaseSettings(database_url=SecretStr(database_url), db_pool_size=1)
    database, other = Database(settings, ask_first=False), Database(settings)
    with database.begin() as connection:
        assert rows(connection, "SELECT pg_backend_pid() AS pid")
        assert connection.info[PREPARED]
        pid = rows(connection, "SELECT pg_backend_pid() AS pid")[0].pid
    with other.begin() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
    with pytest.raises(StorageUnavailable), database.begin() as connection:
        rows(connection, "SELECT pg_backend_pid() AS pid")
    with database.begin() as connection:
        assert rows(connection, "SELECT pg_backend_pid() AS pid")[0].pid != pid
    database.dispose()
    other.dispose()


def test_a_plan_that_was_made_on_empty_tables_goes_by_index(database_url: str) -> None:
    """Otherwise a worker that started on an empty ledger would read a large one whole, for as long as it lives."""
    database = Database(DatabaseSettings(database_url=SecretStr(database_url), db_pool_size=1))
    plans = _work_once(database)
    database.dispose()
    assert len(plans) >= 20
    for statement, plan in plans.items():
        assert not [table for table in GROWING if f"Seq Scan on {table}" in plan], f"{statement}\n{plan}"
        assert "Hash Join" not in plan and "Merge Join" not in plan, f"{statement}\n{plan}"


def _work_once(database: Database) -> dict[str, str]:
    """All the statements that work needs, over the one connection; statement → its plan."""
    here = Mill(database)
    here.submit("cat", Lane.BULK)
    with database.begin() as connection:
        admission.admit(connection, 10)
        admission.admit_interactive(connection, 10)
        assert ledger.next_stage(connection, ["cpu"], list(here.stage_ids.values())) is not None
        ledger.heartbeat(connection, here.owner, [1])
        ledger.expire(connection)
        stages_of(connection, [1])
        settle_followers(connection)
    (claimed,) = here.claim("fetch")
    with database.begin() as connection:
        ledger.start(connection, [claimed.scan_id])
        report = next(each for each in pipelines.every_stage(connection, after=0) if each.name == "report")
        NeedReader().needs(connection, report, [claimed])
        ledger.release(connection, here.owner, crashed=True)
    here.finish()
    scan_id = here.submit("cat").scan_id
    with database.begin() as connection:
        views.page(connection, here.tenant_id)
        views.get(connection, here.tenant_id, scan_id)
        views.events(connection, here.tenant_id, scan_id)
        scans.cancel(connection, here.tenant_id, uuid4())
        return _plans(connection)


def _plans(connection: Connection) -> dict[str, str]:
    kept = connection.exec_driver_sql(
        "SELECT name, statement, cardinality(parameter_types) AS n FROM pg_prepared_statements"
    ).all()
    found = {}
    for each in kept:
        given = f"({', '.join(['NULL'] * each.n)})" if each.n else ""
        plan = connection.exec_driver_sql(f"EXPLAIN EXECUTE {each.name}{given}").scalars().all()
        found[each.statement] = "\n".join(plan)
    return found
