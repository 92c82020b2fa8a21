"""On a ledger that was used for long, few lines are found without looking at all, and control looks at a page only."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from bench.full_ledger import RARE, RARE_LINES, FullLedger, fill
from db import admission, batch_ends, batch_picks, batch_views, drift_days, ledger, results, sql
from db.batch_views import Which
from db.drift_days import Due
from db.session import Connection, Database
from db.settings import DatabaseSettings
from tests.drifting import today

LINES = 12_000
PAGES = 60
"""Pages of 8 KiB that a statement may touch here; an index entry for each of the lines alone takes more."""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """One connection, so that every statement's plan is there to be looked at."""
    database = Database(DatabaseSettings(database_url=SecretStr(database_url), db_pool_size=1))
    yield database
    database.dispose()


@pytest.fixture
def full(database: Database) -> FullLedger:
    return fill(database, uuid.uuid4(), LINES)


def numbers(database: Database, full: FullLedger, which: Which, after: int = 0, limit: int = LINES) -> list[int]:
    with database.begin() as connection:
        found = batch_views.items(connection, full.tenant, full.ended, which, after=after, limit=limit)
    return [line["n"] for line in found]


CASES = (
    (Which(code=RARE), RARE_LINES),
    (Which(("failed",)), RARE_LINES),
    (Which(("refused", "failed")), 22),
    (Which(("refused",), "CORRUPT_IMAGE"), 12),
    (Which(("rejected",), RARE), 0),
    (Which(("failed",), stage="look"), RARE_LINES),
    (Which(("failed",), stage="fetch"), 0),
    (Which(("rejected", "succeeded")), LINES - 22),
)
"""What is asked for, and how many lines that is."""


def test_picking_by_index_finds_what_walking_finds(
    database: Database, full: FullLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_views, "WINDOW", 700)
    found: dict[int, list[list[int]]] = {}
    for few in (batch_picks.FEW, -1):
        monkeypatch.setattr(batch_picks, "FEW", few)
        found[few] = [
            numbers(database, full, which, after, limit)
            for which, _ in CASES
            for after, limit in ((0, LINES), (LINES - 5, 3))
        ]
    assert found[batch_picks.FEW] == found[5_000]
    assert [len(lines) for lines in found[5_000][::2]] == [count for _, count in CASES]


def test_the_codes_are_counted_from_the_index(database: Database, full: FullLedger) -> None:
    with database.begin() as connection:
        codes = batch_views.codes(connection, full.tenant, full.ended)
        assert batch_views.codes(connection, full.other, full.ended) == []
        assert batch_picks.numbers(connection, full.other, full.ended, ("failed",), None) == []
    assert codes == [
        {"code": "NOT_A_CAT", "status": "rejected", "n": LINES // 10 - 1},
        {"code": "CORRUPT_IMAGE", "status": "refused", "n": LINES // 1000},
        {"code": RARE, "status": "failed", "n": RARE_LINES},
    ]


STEPS: dict[str, Callable[[Connection, FullLedger], object]] = {
    "a batch": lambda c, full: batch_views.get(c, full.tenant, full.ended),
    "a queued batch": lambda c, full: batch_views.get(c, full.other, full.queued),
    "the codes": lambda c, full: batch_views.codes(c, full.tenant, full.ended),
    "a rare code": lambda c, full: batch_picks.numbers(c, full.tenant, full.ended, (), RARE),
    "rare ends": lambda c, full: batch_picks.numbers(c, full.tenant, full.ended, ("refused", "failed"), None),
    "budgets": lambda c, full: batch_ends.stop_hopeless(c),
    "cancels": lambda c, full: batch_ends.cancel_page(c),
    "ends": lambda c, full: batch_ends.finish(c),
    "expiry": lambda c, full: ledger.expire(c),
    "followers": lambda c, full: results.settle_followers(c),
    "interactive": lambda c, full: admission.admit_interactive(c, 16),
    "counts": lambda c, full: admission.fold_counts(c),
    "a day that is over": lambda c, full: drift_days.due(c),
    "its scans": lambda c, full: drift_days.ended(c, Due(full.tenant, today(), newest=True), None, 5),
    "admission": lambda c, full: chosen(c),
}


def chosen(connection: Connection) -> None:
    assert len(sql.rows(connection, admission._CHOOSE, window=512, page=20)) == 20


@pytest.fixture
def touched(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Statement → pages that it touched; it runs again for that, and what it changed then is undone."""
    found: dict[str, int] = {}
    execute = sql._execute

    def counting(connection: Connection, statement: str, given: Mapping[str, object]) -> sa.CursorResult[Any]:
        done = execute(connection, statement, given)
        made = sql._statement(statement)
        with connection.begin_nested() as again:
            call = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {made.call}"
            values = tuple(sql._given(given[name]) for name in made.parameters)
            (explained,) = connection.exec_driver_sql(call, values).scalar_one()
            again.rollback()
        plan = explained["Plan"]
        pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        found[statement] = max(pages, found.get(statement, 0))
        return done

    monkeypatch.setattr(sql, "_execute", counting)
    return found


def test_no_statement_touches_more_than_a_few_pages(
    database: Database, full: FullLedger, touched: dict[str, int]
) -> None:
    for step in STEPS.values():
        with database.begin() as connection:
            step(connection, full)
    assert len(touched) >= len(STEPS)
    assert {statement: pages for statement, pages in touched.items() if pages > PAGES} == {}
