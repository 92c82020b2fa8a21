"""Two answers for one picture: what is a change, how large it is, and what a whole batch of them comes to."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.compare import WORST, Limits, Tally, compare, distance, iou


def line(name: str, status: str = "succeeded", x: float | None = 0.0, **normal: float | None) -> dict[str, Any]:
    """A line whose regions are normal with that chance; None: not answered. ``x``: where its face box begins."""
    findings = {
        region: {"outcome": "abstained", "code": "REGION_OUTSIDE_IMAGE"}
        if chance is None
        else {
            "label": "normal" if chance >= 0.5 else "abnormal",
            "probabilities": {"normal": chance, "abnormal": 1 - chance},
        }
        for region, chance in normal.items()
    }
    face = None if x is None else {"box": {"x": x, "y": 0.0, "width": 10.0, "height": 10.0}}
    return {
        "custom_id": name,
        "scan_id": f"scan-{name}",
        "status": status,
        "report": {"findings": findings, "face": face},
    }


def test_equal_reports_are_no_change() -> None:
    change = compare(line("a", mouth=0.9, left_eye=None), line("a", mouth=0.9, left_eye=None))
    assert (change.flips, change.size, change.iou, dict(change.labels)) == ({}, 0, 1, {"mouth": ("normal", "normal")})


def test_a_flip_a_shift_a_lost_region_and_a_moved_box_are_seen() -> None:
    change = compare(line("a", mouth=0.9, left_eye=0.8), line("a", x=5.0, mouth=0.2, left_eye=None))
    assert change.flips == {"mouth": ("normal", "abnormal"), "left_eye": ("normal", None)}
    assert change.shifts == {"mouth": pytest.approx(0.7)}
    assert change.iou == pytest.approx(1 / 3)


def test_findings_without_probabilities_flip_but_do_not_shift() -> None:
    before, after = ({"custom_id": "a", "scan_id": "s", "status": "succeeded", "report": {"findings": {"anomaly": {"label": label}}}}
                     for label in ("Normal", "Faulty"))  # fmt: skip
    change = compare(before, after)
    assert change.flips == {"anomaly": ("Normal", "Faulty")} and change.shifts == {}


def test_what_a_label_wins_or_loses_is_counted_in_tenths() -> None:
    tally = Tally()
    for chance, after in ((0.9, 0.2), (0.9, 0.9), (0.9, 0.94), (0.2, 0.5), (1.0, 0.0)):
        tally.add(compare(line("a", mouth=chance), line("a", mouth=after)))
    found = tally.summary(Limits())["regions"]["mouth"]
    assert {place - 10: n for place, n in enumerate(found["leanings"]) if n} == {-10: 1, -7: 1, -3: 1, 0: 2}
    assert {(one["before"], one["after"]): one["n"] for one in found["labels"]} == {
        ("normal", "normal"): 2,
        ("normal", "abnormal"): 2,
        ("abnormal", "normal"): 1,
    }


def test_heat_maps_that_differ_are_a_change_with_a_limit_of_its_own() -> None:
    same, other = line("a", mouth=0.9), line("a", mouth=0.9)
    change = compare(same, other, {"mouth": 0.2})
    assert (change.flips, change.size) == ({}, pytest.approx(0.08))
    tally = Tally()
    tally.add(change)
    tally.add(compare(same, other, {"mouth": 1.0}))
    found = tally.summary(Limits(likeness=0.7))
    assert (found["likeness"], found["exceeded"]) == (0.6, ["likeness"])
    assert (found["regions"]["mouth"]["least_likeness"], found["regions"]["mouth"]["maps_compared"]) == (0.2, 2)
    assert found["worst"][0]["likeness"] == {"mouth": 0.2}
    assert tally.summary(Limits(likeness=0.6))["pass"]


def test_a_scan_without_a_report_is_another_end() -> None:
    gone = {"custom_id": "a", "scan_id": None, "status": "refused", "report": None}
    change = compare(line("a", mouth=0.9), gone)
    assert (change.statuses, change.flips, change.iou) == (("succeeded", "refused"), {"mouth": ("normal", None)}, None)


def test_distances_have_their_known_values() -> None:
    assert distance({"a": 1.0}, {"b": 1.0}) == 1
    assert distance({"a": 0.5, "b": 0.5}, {"a": 0.25, "b": 0.75}) == 0.25
    square = {"x": 0.0, "y": 0.0, "width": 2.0, "height": 2.0}
    assert iou(square, square | {"x": 2.0}) == 0
    assert iou(square, square | {"width": 0.0, "height": 0.0}) == 0
    assert iou(square, square | {"width": 1.0}) == 0.5


def test_a_tally_adds_up_and_keeps_the_largest_changes() -> None:
    tally = Tally()
    for n in range(200):
        after = 0.2 if n % 2 else 0.9 - n / 1000
        tally.add(
            compare(line(str(n), mouth=0.9), line(str(n), status="partial" if n == 7 else "succeeded", mouth=after))
        )
    tally.missing["after"] += 3
    found = tally.summary(Limits())
    assert (found["lines"], found["only_after"], found["flips"], found["ends"]) == (200, 3, 0.5, 0.005)
    assert found["regions"]["mouth"]["flips"] == [{"before": "normal", "after": "abnormal", "n": 100}]
    assert found["statuses"] == [
        {"before": "succeeded", "after": "partial", "n": 1},
        {"before": "succeeded", "after": "succeeded", "n": 199},
    ]
    assert [one["custom_id"] for one in found["worst"]][:3] == ["7", "1", "3"]
    assert len(found["worst"]) == WORST


@pytest.mark.parametrize(
    ("limits", "exceeded"),
    [
        (Limits(), []),
        (Limits(flips=0.5, ends=0.0, shift=0.5, iou=0.3), []),
        (Limits(flips=0.4), ["flips"]),
        (Limits(shift=0.3, iou=0.9), ["shift", "iou"]),
    ],
)
def test_the_verdict_names_the_limits_that_are_exceeded(limits: Limits, exceeded: list[str]) -> None:
    tally = Tally()
    tally.add(compare(line("a", mouth=0.9), line("a", x=5.0, mouth=0.2)))
    tally.add(compare(line("b", mouth=0.9), line("b", mouth=0.9)))
    found = tally.summary(limits)
    assert (found["exceeded"], found["pass"]) == (exceeded, not exceeded)


def test_nothing_compared_is_no_figure_and_no_failure() -> None:
    found = Tally().summary(Limits(flips=0.0, ends=0.0, shift=0.0, iou=1.0))
    assert (found["flips"], found["iou"], found["pass"]) == (None, None, True)
