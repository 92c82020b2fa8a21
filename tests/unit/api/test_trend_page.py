"""The page of an asset: a line that is cut where scores stop being comparable, and nothing of a client's becomes markup."""

from __future__ import annotations

import re
from typing import Any

from api.report import trend
from pipeline.trend import history
from tests.unit.pipeline.test_trend import scan

WARM = {"code": None, "max": 61.2, "emissivity": 0.95}


def page(*scans: dict[str, Any], asset: str = "T-17", picture: trend.Picture = lambda scan, name: None) -> str:
    told = {"asset_id": asset, "pipeline": "thermal", "more": False, **history(scans)}
    return trend.write(told, picture)


def test_the_line_is_cut_at_a_break_and_has_a_dot_for_each_score() -> None:
    text = page(scan(0), scan(1), scan(2, 0.6, "b"), scan(3, None), scan(4, 0.7, "b"))
    lines = [len(points.split()) for points in re.findall(r'<polyline points="([^"]*)"', text)]
    assert lines == [2, 2] and text.count("<circle") == 4
    assert text.count('class="break"') == 1 and "memory b" in text and "DECODER_CRASH" in text
    assert "First at or above its threshold on 2026-03-03 12:00" in text


def test_dots_lie_in_time_and_by_score() -> None:
    text = page(scan(0, 0.0), scan(1, 1.0), scan(4, 0.5))
    dots = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', text)]
    assert [x for x, _ in dots] == [20, 260, 980]
    assert dots[1][1] < dots[2][1] < dots[0][1]


def test_temperatures_have_a_line_of_their_own_that_no_other_emissivity_joins() -> None:
    text = page(scan(0, temperatures=WARM), scan(1, temperatures={**WARM, "emissivity": 0.5}))
    assert "Hottest place" in text and "61.2 °C at an emissivity of 0.95" in text
    assert text.count("<polyline") == 3
    assert "Hottest place" not in page(scan(0))


def test_what_a_client_says_is_text() -> None:
    text = page(scan(0, filename="<img src=x>"), asset="<script>alert(1)</script>")
    assert "<script" not in text and "<img" not in text and "&lt;script&gt;" in text


def test_pictures_are_those_of_the_newest_points_with_what_there_is() -> None:
    scans = [scan(day) for day in range(trend.STRIP + 3)]
    text = page(*scans, picture=lambda scan, name: f"data:{scan}/{name}" if name == "canonical" else None)
    assert text.count("<img") == trend.STRIP and f"data:{scans[-1]['scan_id']}/canonical" in text
    assert f"data:{scans[0]['scan_id']}/canonical" not in text and "the newest 60" in text


def test_a_history_of_nothing_answered_is_a_page_too() -> None:
    assert '<svg class="trend"' not in page(scan(0, None))
