"""What a comparison of two load tests says: ratios of slices of time, and whether like was compared with like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.load import compare, figures
from bench.load.users import Asked


def result(milliseconds: list[float], seconds: float = 10.0, **more: Any) -> dict[str, Any]:
    """One round whose requests ended evenly over its time."""
    step = seconds / len(milliseconds)
    asked = [Asked(0, (n + 0.5) * step - ms / 1000, ms / 1000, 200) for n, ms in enumerate(milliseconds)]
    head = {"what": "a", "at": "2026-11-27", "path": "/p", "users": 1, "requests_per_user": 1, "pictures": "distinct"}
    return {**head, "machine": "m", **more, "rounds": [figures.told(asked, seconds)]}


def test_twice_as_many_in_the_same_time_at_half_the_wait() -> None:
    told = compare.compare(result([200.0] * 50), result([100.0] * 100))["measures"]
    assert told["answered per second"] == {"a": 5.0, "b": 10.0, "b over a": 2.0, "low": 2.0, "high": 2.0}
    assert {name: told[f"{name} ms"]["b over a"] for name in ("p50", "p90", "p95", "p99")} == dict.fromkeys(
        ("p50", "p90", "p95", "p99"), 0.5
    )


def test_the_percentile_is_a_time_that_was_measured() -> None:
    told = compare.compare(result([*[100.0] * 98, 900.0, 1000.0]), result([100.0] * 100))["measures"]
    assert told["p99 ms"]["a"] == 900.0
    assert told["p95 ms"]["a"] == 100.0


def test_what_happened_in_one_slice_alone_widens_the_interval() -> None:
    uneven, even = result([100.0] * 90 + [1000.0] * 10), result([100.0] * 100)
    told = compare.compare(even, uneven)["measures"]["p90 ms"]
    assert told["low"] == 1.0 and told["high"] == 10.0


def test_an_answer_counts_in_the_slice_in_which_it_ended() -> None:
    slices = compare.slices_of(result([10.0] * 20)["rounds"])
    assert [len(one.ms) for one in slices] == [5] * 4 and {one.seconds for one in slices} == {2.5}


def test_requests_without_an_answer_count_in_no_time() -> None:
    asked = [Asked(0, 0.0, 1.0, 200), Asked(0, 1.0, 60.0, 0, "ReadTimeout"), Asked(0, 2.0, 1.0, 422, "NOT_AN_EYE")]
    told = figures.told([*asked, Asked(0, 3.0, 0.1, 422, "INVALID_FIELD")], 10.0)
    assert (told["n"], told["answered"], told["answered_per_second"]) == (4, 2, 0.2)
    assert told["failures"] == {"0 ReadTimeout": 1, "422 INVALID_FIELD": 1}
    assert sum(len(one.ms) for one in compare.slices_of([told])) == 2


def test_unlike_results_are_named() -> None:
    told = compare.compare(result([1.0] * 9), result([1.0] * 9, users=100, pictures="repeated"))
    assert told["differ in"] == ["users", "pictures"]
    assert "not the same in both: users, pictures" in compare.table(told)


def test_nothing_is_compared_with_nothing() -> None:
    nothing = {**result([1.0]), "rounds": [figures.told([Asked(0, 0.0, 1.0, 500, "INTERNAL_ERROR")], 1.0)]}
    with pytest.raises(ValueError, match="no answered request"):
        compare.compare(nothing, result([1.0]))


def test_a_file_holds_every_request_on_a_line_and_reads_back(tmp_path: Path) -> None:
    whole = result([1.0, 2.0, 3.0])
    figures.write(tmp_path / "a.json", whole)
    assert figures.read(tmp_path / "a.json") == json.loads(json.dumps(whole))
    assert sum('"began"' in line for line in (tmp_path / "a.json").read_text().splitlines()) == 3


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text("[]")
    with pytest.raises(ValueError, match="no result of a load test"):
        figures.read(tmp_path / "b.json")
