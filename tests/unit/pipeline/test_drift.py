"""What is planted in a stream is found and named as what it is; a stable stream raises no alarm; too few is no verdict."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from bench.drift_alarms import BEGIN, Stream, day, measure
from pipeline.drift import ALL, Day, Plan, Verdict, Window, alarming, evaluate, summary
from pipeline.drift_figures import Kind, axis, counted, doubt
from tasks.drift_settings import DriftSettings

PLAN = Plan.until(BEGIN + timedelta(35), 7, 28)
Change = Callable[[dict[str, Any]], object]


def stream(change: Change | None = None, scans: int = 60, source: str = "interactive", seed: int = 0) -> list[Day]:
    """28 quiet days, and 7 on which every report is changed."""
    draw, days = random.Random(seed), []
    for place in range(35):
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for _ in range(scans):
            report = Stream().report(draw)
            if change and place >= 28:
                change(report)
            for name, word in counted("succeeded", None, report).items():
                counts[name][word] += 1
        days.append(Day("cataract", BEGIN + timedelta(place), source, scans, counts))
    return days


def darker(report: dict[str, Any]) -> None:
    report["picture"]["brightness"] *= 0.7


def sicker(report: dict[str, Any]) -> None:
    if report["findings"]["cataract"]["label"] == "normal" and hash(report["picture"]["brightness"]) % 3 == 0:
        report["findings"]["cataract"]["label"] = "cataract"


def torn(report: dict[str, Any]) -> None:
    """The strong model says the opposite of the fast one; the finding stays what it was."""
    answers = report["decision"]["answers"]
    if "code" not in answers["strong"]:
        answers["strong"] = {"cataract": answers["fast"]["normal"], "normal": answers["fast"]["cataract"]}
        sure = max(answers["fast"].values()) >= 0.6
        report["agreement"]["disagreement"] = True if sure else None


@pytest.mark.row("S3.46")
@pytest.mark.parametrize(
    ("change", "measures", "kind"),
    [
        (darker, {"brightness"}, Kind.INPUT),
        (sicker, {"label:cataract"}, Kind.PREDICTION),
        (torn, {"disagreement", "gap"}, Kind.DISAGREEMENT),
    ],
    ids=["light", "labels", "disagreement"],
)
def test_what_was_planted_is_named_and_nothing_else(change: Change, measures: set[str], kind: Kind) -> None:
    found = alarming(evaluate(stream(change), PLAN))
    assert {each.measure for each in found} == measures
    assert {each.kind for each in found} == {kind}
    for each in found:
        assert each.p_adjusted is not None and each.p is not None and each.p <= each.p_adjusted <= 0.01
        assert each.distance is not None and each.distance >= each.least_distance
        assert (each.before != each.after and each.n_recent <= 420 < each.n_reference) or each.kind is Kind.DISAGREEMENT


def test_a_disagreement_counts_the_scans_that_both_answered() -> None:
    both = {each.measure: each for each in evaluate(stream(), PLAN)}
    asked = both["both_asked"]
    assert asked.n_recent == 420 and asked.after is not None
    assert both["gap"].n_recent == round(asked.after["yes"] * 420)
    assert both["disagreement"].n_recent < both["gap"].n_recent, "only where both were sure"


def test_a_stable_stream_raises_no_alarm() -> None:
    assert [measure(1, 30, 5, wobble)["alarmed"] for wobble in (0.0, 1.0)] == [0, 0]
    assert all(alarming(evaluate(stream(seed=seed), PLAN)) == [] for seed in range(3))


def test_a_sure_but_small_change_is_no_drift() -> None:
    def a_little(report: dict[str, Any]) -> None:
        report["picture"]["brightness"] *= 0.97

    [found] = [each for each in evaluate(stream(a_little, scans=1000), PLAN) if each.measure == "brightness"]
    assert found.p_adjusted is not None and found.p_adjusted < 0.001 and found.verdict is Verdict.STABLE


def test_too_few_is_no_verdict_and_is_not_tested() -> None:
    found = evaluate(stream(darker, scans=6), PLAN)
    assert {each.verdict for each in found} == {Verdict.TOO_FEW} and {each.p for each in found} == {None}
    assert found[0].n_recent == 42 and found[0].after is not None
    assert evaluate([], PLAN) == []


def test_days_that_differ_anyway_make_scans_worth_less() -> None:
    draw = random.Random(1)
    jumping = [day(Stream(light=draw.choice((0.3, 0.7))), BEGIN + timedelta(n), 60, draw) for n in range(35)]
    [found] = [each for each in evaluate(jumping, PLAN) if each.measure == "brightness"]
    assert found.dispersion > 20 and found.p is not None and found.p > 0.001
    calm = {each.measure: each.dispersion for each in evaluate(stream(), PLAN)}
    assert max(calm.values()) < 2


def test_of_all_sources_only_what_none_of_them_says_is_alarming() -> None:
    days = [*stream(darker), *stream(source="batch:x", seed=1)]
    found = evaluate(days, PLAN)
    drifted = {(each.source, each.measure) for each in found if each.verdict is Verdict.DRIFTED}
    assert drifted == {("interactive", "brightness"), (ALL, "brightness")}
    assert [(each.source, each.measure) for each in alarming(found)] == [("interactive", "brightness")]
    mixed = [*stream(scans=60), *[each for each in stream(darker, source="batch:new") if each.day in PLAN.recent]]
    assert [(each.source, each.measure) for each in alarming(evaluate(mixed, PLAN))] == [(ALL, "brightness")]


def test_what_is_told_of_numbers_is_the_middle_of_their_bins() -> None:
    assert summary("brightness", {"0.5": 3, "0.1": 1}) == {"median": 0.525, "mean": 0.425}
    assert summary("label:x", {"a": 1, "b": 3}) == {"a": 0.25, "b": 0.75}


def test_an_axis_has_the_bins_between() -> None:
    assert axis("brightness", ["0.3", "0.1", "0.15"]) == ["0.1", "0.15", "0.2", "0.25", "0.3"]
    assert axis("megapixels", ["0.5", "2"]) == ["0.5", "0.707107", "1", "1.41421", "2"]
    assert axis("contrast", [f"{n / 40:.6g}" for n in (0, 39)])[1::38] == ["0.025", "0.975"]
    assert axis("label:x", ["b", "a", "b"]) == ["a", "b"] and axis("gap", []) == []


def test_a_report_of_any_system_is_counted_by_what_it_has() -> None:
    report = {
        "image": {"original_width": 1000, "original_height": 1000, "format": "png"},
        "subject": {"probability": 1.0},
        "findings": {
            "mouth": {"label": "normal", "confidence": 0.7},
            "ears": {"outcome": "skipped", "code": "NOT_SEEN"},
        },
    }
    assert counted("partial", "NOT_SEEN", report) == {
        "outcome": "NOT_SEEN",
        "format": "png",
        "megapixels": "1",
        "aspect": "1",
        "subject": "1",
        "label:mouth": "normal",
        "confidence:mouth": "0.7",
    }
    assert counted("failed", "POISON_INPUT", None) == {"outcome": "POISON_INPUT"}
    assert doubt(None) is doubt({"findings": {"x": {"code": "NOT_SEEN"}}}) is None


@pytest.mark.row("S3.5")
def test_doubt_is_greatest_where_two_sure_models_disagree() -> None:
    def asked(*chances: float) -> dict[str, Any]:
        names = ("fast", "strong")
        answers = {name: {"a": chance, "b": 1 - chance} for name, chance in zip(names, chances, strict=False)}
        return {"decision": {"answers": {"strong": {"code": "NOT_NEEDED"}, **answers}}}

    scores = [doubt(asked(*each)) for each in ((0.99, 0.01), (0.6, 0.4), (0.5, 0.5), (0.5,), (0.99, 0.98), (0.99,))]
    found = [each.score for each in scores if each]
    assert found == sorted(found, reverse=True) and len(found) == 6
    assert found[2] == found[3] == pytest.approx(0.1), "without a second answer, or with an equal one: the small weight"
    regions = {"mouth": {"probabilities": {"a": 0.9, "b": 0.1}}, "nose": {"probabilities": {"a": 0.5, "b": 0.5}}}
    several = doubt({"findings": regions})
    assert several is not None and (several.uncertainty, several.disagreement) == (1.0, 0.0)


def test_a_reference_is_the_days_before_or_fixed() -> None:
    end = date(2026, 3, 1)
    assert DriftSettings().plan(end).reference == Window(date(2026, 1, 25), date(2026, 2, 22))
    fixed = DriftSettings(reference="2025-06-01/2025-06-08").plan(end)
    assert (fixed.reference, fixed.recent) == (
        Window(date(2025, 6, 1), date(2025, 6, 8)),
        Window(date(2026, 2, 22), end),
    )
    for wrong in ("2025-06-01", "2025-06-08/2025-06-01", "x/y"):
        with pytest.raises(ValueError):
            DriftSettings(reference=wrong)
