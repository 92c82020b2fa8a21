"""Doctor's verdicts, from numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cli import checks
from db.facts import ServerFacts

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def facts(**changed: int) -> ServerFacts:
    numbers = {"version": 180004, "max_connections": 100, "reserved_connections": 3, "connections": 5, **changed}
    return ServerFacts(now=NOW, **numbers)


@pytest.mark.parametrize(("seconds", "state"), [(0.2, "ok"), (-0.9, "ok"), (2, "warn"), (-2, "warn"), (31, "fail")])
def test_the_clock_is_compared_in_both_directions(seconds: float, state: str) -> None:
    verdict = checks.clock(NOW, NOW + timedelta(seconds=seconds))
    assert verdict.state == state
    assert ("behind" in verdict.message) == (seconds < 0)


def test_pools_must_fit_into_what_the_server_leaves_to_us() -> None:
    assert checks.connections(facts(), 97).state == "ok"
    over = checks.connections(facts(), 98)
    assert (over.state, over.code) == ("fail", "TOO_MANY_CONNECTIONS") and "max_connections" in over.hint
