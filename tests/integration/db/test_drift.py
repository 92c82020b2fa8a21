"""Days are counted once and told apart by tenant and source; alerts open once; corrections are only added to."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from bench.drift_alarms import Stream
from db import corrections, drift_alerts, drift_days, reviews, tenants
from db.session import Database
from pipeline.drift import ALL, Verdict, Window, evaluate
from tasks import drift
from tasks.drift_settings import DriftSettings
from tests.drifting import Clinic, today

SETTINGS = DriftSettings(recent_days=2, reference_days=3, least=20)


@pytest.fixture
def clinic(database: Database) -> Clinic:
    return Clinic(database, "a")


def counted(clinic: Clinic, settings: DriftSettings = SETTINGS) -> int:
    turns = 0
    while drift.turn(clinic.database, settings):
        turns += 1
    return turns


def reports(n: int, seed: int = 0, **stream: float) -> list[dict[str, object]]:
    draw = random.Random(seed)
    return [Stream(**stream).report(draw) for _ in range(n)]


def days_of(clinic: Clinic) -> list[drift_days.Counted]:
    window = Window(today() - timedelta(90), today() + timedelta(1))
    with clinic.database.begin() as connection:
        return list(drift_days.whole_days(connection, clinic.tenant, "cataract", [window]))


@pytest.mark.row("S3.46")
def test_a_day_is_counted_when_it_is_over_by_source_and_each_picture_once(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "PAGE", 7)
    batch, prefix = clinic.batch("predict_batch " + "a" * 64), clinic.batch("x", source={"prefix": "eyes/"})
    clinic.scanned(reports(20), days_ago=2)
    clinic.scanned(reports(5), days_ago=2, pictures=["same"] * 5)
    clinic.scanned(reports(8), days_ago=1, batch=batch)
    clinic.scanned(reports(3), days_ago=1, batch=prefix)
    clinic.scanned([None] * 4, days_ago=1, status="rejected", code="NOT_AN_EYE")
    clinic.scanned([None] * 4, days_ago=1, status="cancelled")
    clinic.scanned(reports(9), days_ago=0)
    assert counted(clinic) == 2 and counted(clinic) == 0
    found = {(each.day.day, each.day.source): each.day for each in days_of(clinic)}
    before, yesterday = today() - timedelta(2), today() - timedelta(1)
    assert {key: each.scans for key, each in found.items()} == {
        (before, "interactive"): 21,
        (yesterday, "batch:predict_batch"): 8,
        (yesterday, "interactive"): 4,
        (yesterday, "prefix:eyes/"): 3,
    }
    assert found[yesterday, "interactive"].counts == {"outcome": {"NOT_AN_EYE": 4}}
    assert sum(found[before, "interactive"].counts["label:cataract"].values()) == 21


def test_ends_at_midnight_belong_to_the_day_that_begins(clinic: Clinic) -> None:
    midnight = datetime.combine(today() - timedelta(1), datetime.min.time(), UTC)
    clinic.scanned(reports(1), at=midnight)
    clinic.scanned(reports(2), at=midnight - timedelta(microseconds=1))
    counted(clinic)
    assert [(each.day.day, each.day.scans) for each in days_of(clinic)] == [
        (midnight.date() - timedelta(1), 2),
        (midnight.date(), 1),
    ]


def test_two_controls_count_a_day_once(clinic: Clinic) -> None:
    clinic.scanned(reports(3), days_ago=1)
    with clinic.database.begin() as connection:
        due = drift_days.due(connection)
    assert due is not None and due.newest
    both = [drift.count(clinic.database, due) for _ in range(2)]
    with clinic.database.begin() as connection:
        assert [drift_days.keep(connection, due, each, 31) for each in both] == [True, False]
    assert [each.day.scans for each in days_of(clinic)] == [3]


def test_small_sources_are_counted_together_and_nothing_is_lost(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "MOST_SOURCES", 2)
    for n in range(5):
        clinic.scanned(reports(n + 1, seed=n), days_ago=1, batch=clinic.batch(f"clinic {n}"))
    counted(clinic)
    assert {each.day.source: each.day.scans for each in days_of(clinic)} == {
        "batch:clinic 4": 5,
        "batch:clinic 3": 4,
        "others": 6,
    }


def test_what_is_too_old_is_forgotten(clinic: Clinic) -> None:
    clinic.scanned(reports(1), days_ago=50)
    clinic.scanned(reports(1), days_ago=1)
    counted(clinic, DriftSettings(keep_days=31))
    assert [each.day.day for each in days_of(clinic)] == [today() - timedelta(1)]


@pytest.mark.row("S3.46")
@pytest.mark.parametrize(
    ("changed", "kind", "measure"),
    [({"light": 0.2}, "input", "brightness"), ({"sick": 0.9}, "prediction", "label:cataract")],
)
def test_what_changed_opens_one_alert_that_names_it(
    clinic: Clinic, changed: dict[str, float], kind: str, measure: str
) -> None:
    for ago in (5, 4, 3):
        clinic.scanned(reports(40, seed=ago), days_ago=ago)
    for ago in (2, 1):
        clinic.scanned(reports(40, seed=ago, **changed), days_ago=ago)
    other = Clinic(clinic.database, "b")
    other.scanned(reports(40), days_ago=1)
    counted(clinic)
    with clinic.database.begin() as connection:
        alerts = drift_alerts.listing(connection, clinic.tenant)
        assert measure in {alert.measure for alert in alerts} and {alert.kind for alert in alerts} == {kind}
        assert drift_alerts.listing(connection, other.tenant) == []
        assert drift_alerts.figures(connection) == {("cataract", kind): len(alerts)}
        [alert] = [alert for alert in alerts if alert.measure == measure]
        assert (alert.source, alert.since, alert.until) == ("interactive", today() - timedelta(2), today())
        assert (alert.found["n_reference"], alert.found["n_recent"]) == (120, 80) and alert.found["p_adjusted"] <= 0.01
        assert drift_alerts.close(connection, other.tenant, alert.id, by="k", note=None) is None


def test_the_same_drift_opens_no_second_alert_and_a_closed_one_not_at_once_again(clinic: Clinic) -> None:
    for ago in (5, 4, 3):
        clinic.scanned(reports(40, seed=ago), days_ago=ago)
    for ago in (2, 1):
        clinic.scanned(reports(40, seed=ago, light=0.2), days_ago=ago)
    counted(clinic)
    plan = SETTINGS.plan(today())
    with clinic.database.begin() as connection:
        [alert] = drift_alerts.listing(connection, clinic.tenant)
        assert drift_alerts.check(connection, clinic.tenant, "cataract", plan) == []
        closed = drift_alerts.close(connection, clinic.tenant, alert.id, by="key", note="new lamp")
        assert closed is not None and (closed.closed_by, closed.note) == ("key", "new lamp")
        again = drift_alerts.close(connection, clinic.tenant, alert.id, by="other", note=None)
        assert again == closed, "closing twice changes nothing"
        assert drift_alerts.check(connection, clinic.tenant, "cataract", plan) == []
    clinic.execute("UPDATE drift_alert SET closed_at = closed_at - interval '9 days'")
    with clinic.database.begin() as connection:
        assert len(drift_alerts.check(connection, clinic.tenant, "cataract", plan)) == 1


def test_a_stable_stream_and_one_of_too_few_raise_no_alarm(clinic: Clinic) -> None:
    for ago in (5, 4, 3, 2, 1):
        clinic.scanned(reports(40, seed=ago), days_ago=ago)
        clinic.scanned(reports(5, seed=9, light=0.1 * ago), days_ago=ago, batch=clinic.batch("small"))
    counted(clinic)
    plan = SETTINGS.plan(today())
    with clinic.database.begin() as connection:
        assert drift_alerts.listing(connection, clinic.tenant) == []
        days = drift_days.days(connection, clinic.tenant, "cataract", [plan.reference, plan.recent])
    verdicts = {(each.source, each.measure): each.verdict for each in evaluate(days, plan)}
    assert verdicts["interactive", "brightness"] is verdicts[ALL, "brightness"] is Verdict.STABLE
    assert verdicts["batch:small", "brightness"] is Verdict.TOO_FEW


@pytest.mark.row("S3.5")
def test_review_begins_with_what_two_models_disagree_on_and_leaves_out_what_was_deleted(clinic: Clinic) -> None:
    sure, torn, gone = reports(30), reports(1)[0], reports(1)[0]
    for report in (torn, gone):
        report["decision"] = {
            "answers": {"fast": {"cataract": 0.95, "normal": 0.05}, "strong": {"cataract": 0.1, "normal": 0.9}}
        }
    clinic.scanned(sure, days_ago=1)
    torn_id, gone_id = (clinic.scanned([report], days_ago=1)[0] for report in (torn, gone))
    counted(clinic)
    window = Window(today() - timedelta(1), today())
    clinic.execute("DELETE FROM scan WHERE id = :id", id=gone_id)
    with clinic.database.begin() as connection:
        looks = reviews.listing(connection, clinic.tenant, "cataract", window, ALL, 10)
        shown = reviews.examples(connection, clinic.tenant, "cataract", window, "interactive", 6)
        assert reviews.listing(connection, clinic.tenant, "cataract", window, "batch:x", 10) == []
    assert looks[0].scan_id == str(torn_id) and looks[0].disagreement == 0.85 and looks[0].uncertainty == 0.95
    assert [look.score for look in looks] == sorted((look.score for look in looks), reverse=True)
    assert len(looks) == 10 and str(gone_id) not in {look.scan_id for look in looks} | set(shown)
    assert len(shown) == 6


@pytest.mark.row("S3.5")
def test_corrections_are_added_to_and_the_last_one_stands(clinic: Clinic) -> None:
    [scan], other = clinic.scanned(reports(1), days_ago=1), Clinic(clinic.database, "b")
    with clinic.database.begin() as connection:
        for label in ("normal", "cataract"):
            made = corrections.add(connection, clinic.tenant, scan, finding="cataract", label=label, note=None, by="k")
            assert made is not None and made.label == label
        assert corrections.add(connection, other.tenant, scan, finding="cataract", label="x", note=None, by="k") is None
        assert [each.label for each in corrections.of_scans(connection, clinic.tenant, [str(scan)])[str(scan)]] == [
            "normal",
            "cataract",
        ]
        assert corrections.latest_corrections(connection, clinic.tenant) == {(str(scan), "cataract"): "cataract"}
        assert corrections.latest_corrections(connection, clinic.tenant, []) == {}
        assert corrections.latest_corrections(connection, other.tenant) == {}
        page = corrections.page(connection, clinic.tenant, "cataract", after=None, limit=10)
        assert [(each["label"], each["latest"]) for each in page] == [("normal", False), ("cataract", True)]
        assert page[0]["said"] in ("cataract", "normal", "uncertain") and page[0]["confidence"] > 0
        assert corrections.page(connection, clinic.tenant, "cat_face", after=None, limit=10) == []
        assert corrections.page(connection, clinic.tenant, "cataract", after=UUID(page[1]["id"]), limit=10) == []


def test_a_tenant_without_scans_is_never_due(database: Database) -> None:
    with database.begin() as connection:
        tenant = tenants.create_tenant(connection, "empty")
        assert drift_days.due(connection) is None
        assert drift_days.counted_until(connection, tenant) is None
        assert drift_days.counted_until(connection, uuid4()) is None
