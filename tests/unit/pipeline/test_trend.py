"""A history has a point per picture, in the order of the pictures, and says what may not be compared."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.trend import history

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
CAME = DAY + timedelta(days=100)
numbers = itertools.count(1)


def scan(day: int | None, score: float | None = 0.1, memory: str = "a", **other: Any) -> dict[str, Any]:
    """A scan of another picture than every other, taken on that day and scanned later than all before it."""
    number = next(numbers)
    anomaly = {"score": score, "band": "Normal", "threshold": 0.5, "is_anomalous": (score or 0) >= 0.5}
    return {
        "scan_id": f"{number:04}",
        "picture": f"picture {number}",
        "retry_of": None,
        "filename": None,
        "status": "succeeded" if score is not None else "failed",
        "code": None if score is not None else "DECODER_CRASH",
        "taken_at": None if day is None else DAY + timedelta(days=day),
        "created_at": CAME + timedelta(seconds=number),
        "anomaly": None if score is None else anomaly,
        "model": {"version": memory, "digest": memory * 64},
        "temperatures": {"code": "NOT_RADIOMETRIC"},
        **other,
    }


def scores(told: dict[str, Any]) -> list[float | None]:
    return [point["score"] for point in told["points"]]


def test_points_stand_in_the_order_in_which_pictures_were_taken() -> None:
    scans = [scan(3, 0.3), scan(1, 0.1), scan(2, None), scan(None, 0.4), scan(0, 0.05)]
    told = history(scans)
    assert scores(told) == [0.05, 0.1, None, 0.3, 0.4]
    assert told["points"][0]["at"] == DAY.isoformat()
    assert told["points"][-1]["at"] == scans[3]["created_at"].isoformat(), "nobody said when it was taken"
    assert (told["points"][2]["status"], told["points"][2]["code"]) == ("failed", "DECODER_CRASH")
    assert told == history(reversed(scans))


@pytest.mark.parametrize(("values", "first"), [([0.1, 0.6, 0.2, 0.7], 1), ([0.5], 0), ([0.1, 0.499], None), ([], None)])
def test_the_first_crossing_is_the_first_at_or_above_its_threshold(values: list[float], first: int | None) -> None:
    scans = [scan(day, value) for day, value in enumerate(values)]
    crossing = history(scans)["first_crossing"]
    assert (crossing and crossing["scan_id"]) == (None if first is None else scans[first]["scan_id"])


def test_another_memory_breaks_the_history() -> None:
    told = history([scan(0, 0.1), scan(1, 0.6), scan(2, None), scan(3, 0.2, "b"), scan(4, 0.3, "b"), scan(5, 0.1, "a")])
    assert [point["break"] for point in told["points"]] == [False, False, False, True, False, True]
    assert [(each["memory"]["version"], each["points"]) for each in told["segments"]] == [("a", 2), ("b", 2), ("a", 1)]
    assert [bool(each["first_crossing"]) for each in told["segments"]] == [True, False, False]


def test_a_picture_scanned_again_is_one_point_with_its_newest_answer() -> None:
    first = scan(1, 0.1, picture="x")
    again = scan(1, 0.7, "b", picture="x")
    failed = scan(1, None, picture="x")
    assert scores(history([first, again, failed, scan(0, 0.2)])) == [0.2, 0.7]
    undated = [scan(None, 0.1, picture="y"), scan(None, 0.2, picture="y")]
    told = history(undated)
    assert scores(told) == [0.2] and told["points"][0]["at"] == undated[0]["created_at"].isoformat()


def test_equal_pictures_of_different_days_are_two_points() -> None:
    assert scores(history([scan(1, 0.1, picture="x"), scan(2, 0.1, picture="x")])) == [0.1, 0.1]


def test_a_retry_stands_for_what_it_retries() -> None:
    """Of a picture that never came there are no bytes to know it by."""
    first = scan(None, None, picture=None)
    second = scan(None, None, picture=None, retry_of=first["scan_id"])
    third = scan(None, 0.4, picture=None, retry_of=second["scan_id"])
    assert scores(history([first, second, third])) == [0.4]
    assert scores(history([third])) == [0.4], "the others are older than the page"


def test_temperatures_come_along() -> None:
    warm = {"code": None, "max": 61.2, "emissivity": 0.95}
    told = history([scan(0, temperatures=warm), scan(1), scan(2, temperatures=None)])
    assert [(point["max_c"], point["emissivity"]) for point in told["points"]] == [
        (61.2, 0.95),
        (None, None),
        (None, None),
    ]
