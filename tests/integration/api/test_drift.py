"""Drift, reviews and corrections over HTTP: what was planted is told, looked at, closed and corrected, by its tenant alone."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.drift_alarms import Stream
from cli.main import build
from db.results import StoredFile
from db.sql import rows
from tasks import drift
from tasks.drift_settings import DriftSettings
from tests.drifting import Clinic, today
from tests.integration.api.harness import Api, problem, stored_file
from tests.integration.api.server import Server

pytest_plugins = ("tests.integration.api.fixtures",)

SETTINGS = DriftSettings(recent_days=2, reference_days=3, least=20)


@pytest.fixture
def clinic(api: Api) -> Clinic:
    """Five days of eyes, dark on the last two, each with a preview."""
    api.here.drift = SETTINGS
    made = Clinic(api.here.database, "a")
    for ago in (5, 4, 3, 2, 1):
        draw = random.Random(ago)
        reports = [Stream(light=0.2 if ago < 3 else 0.5).report(draw) for _ in range(40)]
        made.scanned(reports, days_ago=ago)
    while drift.turn(api.here.database, SETTINGS):
        pass
    return made


def pictured(api: Api, clinic: Clinic) -> None:
    """Give every scan of the clinic a preview."""
    file: StoredFile = stored_file(api.here, clinic.tenant, b"preview")
    with api.here.database.begin() as connection:
        rows(
            connection,
            """WITH made AS (INSERT INTO artifact (tenant_id, sha256, size, media_type)
                             VALUES (:tenant, :sha, :size, 'image/jpeg') RETURNING id)
               INSERT INTO result_artifact (result_id, name, artifact_id)
               SELECT result.id, 'preview', made.id FROM result CROSS JOIN made RETURNING 1""",
            tenant=clinic.tenant,
            sha=file.sha256,
            size=file.size,
        )


def opened(api: Api) -> dict[str, Any]:
    [alert] = api.call("GET", "/v1/drift/alerts?pipeline=cataract").json["items"]
    return dict(alert)


@pytest.mark.row("S3.32")
def test_the_seed_s_call_tells_three_kinds_apart(api: Api, clinic: Clinic) -> None:
    told = api.call("GET", "/drift_status").json
    assert told["drift_detected"] is True and told["counted_until"] == today().isoformat()
    assert [told[kind]["status"] for kind in ("input", "prediction")] == ["drifted", "stable"]
    assert told["disagreement"]["status"] in ("stable", "too_few")
    [found] = told["input"]["drifted"]
    assert (found["measure"], found["source"]) == ("brightness", "interactive")
    assert found["after"]["median"] < found["before"]["median"] - 0.2
    assert [told[kind]["open_alerts"] for kind in ("input", "prediction", "disagreement")] == [1, 0, 0]
    other = api.call("GET", "/drift_status", "b").json
    assert other["drift_detected"] is False and other["counted_until"] is None
    assert {other[kind]["status"] for kind in ("input", "prediction", "disagreement")} == {"too_few"}


@pytest.mark.row("S3.46")
def test_the_house_s_call_tells_measures_days_and_windows(api: Api, clinic: Clinic) -> None:
    told = api.call("GET", "/v1/drift?pipeline=cataract").json
    assert (told["reference"]["scans"], told["recent"]["scans"]) == (120, 80)
    first = told["measures"][0]
    assert (first["measure"], first["kind"], first["verdict"]) == ("brightness", "input", "drifted")
    assert [each["scans"] for each in told["days"]] == [40] * 5
    assert told["days"][-1]["measures"]["brightness"]["mean"] == pytest.approx(0.2, abs=0.05)
    since = (today() - timedelta(1)).isoformat()
    before = (today() - timedelta(2)).isoformat()
    query = f"since={since}&reference_since={before}&reference_until={since}"
    moved = api.call("GET", f"/v1/drift?pipeline=cataract&{query}").json
    assert {each["verdict"] for each in moved["measures"]} <= {"stable", "too_few"}, "both days are dark"
    assert api.call("GET", "/v1/drift?pipeline=cataract&source=batch:x").json["measures"] == []
    for wrong in ("since=yesterday", f"since={today()}&until={before}", "pipeline=dogs", "days=3"):
        assert problem(api.call("GET", f"/v1/drift?{wrong}")) == (422, "INVALID_FIELD"), wrong


def test_an_alert_is_closed_by_a_person_and_a_check_opens_no_second(api: Api, clinic: Clinic) -> None:
    alert = opened(api)
    assert (alert["kind"], alert["measure"], alert["n_recent"]) == ("input", "brightness", 80)
    body = {"pipeline": "cataract"}
    assert api.call("POST", "/v1/drift/checks", json=body).json["opened"] == []
    closed = api.call("POST", f"/v1/drift/alerts/{alert['id']}/close", json={"note": "a new lamp"}).json
    assert closed["note"] == "a new lamp" and closed["closed_by"] in api.tokens["a"]
    assert api.call("GET", "/v1/drift/alerts").json["items"] == []
    assert api.call("GET", "/v1/drift/alerts?state=closed").json["items"] == [closed]
    assert api.call("GET", f"/v1/drift/alerts/{alert['id']}").json == closed
    assert api.call("POST", "/v1/drift/checks", json=body).json["opened"] == []
    clinic.execute("DELETE FROM drift_alert")
    [again] = api.call("POST", "/v1/drift/checks", json=body).json["opened"]
    assert again["measure"] == "brightness"
    assert api.call("POST", "/v1/drift/checks", "b", json=body).json == {"counted_until": None, "opened": []}
    for wrong in ("state=all", "pipeline=dogs"):
        assert problem(api.call("GET", f"/v1/drift/alerts?{wrong}")) == (422, "INVALID_FIELD")


@pytest.mark.row("S3.45")
def test_prometheus_is_told_of_open_alerts(api: Api, clinic: Clinic) -> None:
    text = api.call("GET", "/metrics", None).get_data(as_text=True)
    assert 'scanmill_drift_alerts_open{kind="input",system="cataract"} 1.0' in text
    assert 'scanmill_drift_alerts_open{kind="disagreement",system="cataract"} 0.0' in text


@pytest.mark.row("S3.5")
def test_a_review_lists_the_doubtful_and_a_correction_stands_beside_the_result(api: Api, clinic: Clinic) -> None:
    alert = opened(api)
    listed = api.call("GET", f"/v1/reviews?alert={alert['id']}&limit=10").json
    scores = [item["score"] for item in listed["items"]]
    assert scores == sorted(scores, reverse=True) and len(scores) == 10
    assert [each["id"] for each in listed["alerts"]] == [alert["id"]]
    first = listed["items"][0]
    before = api.call("GET", f"/v1/scans/{first['scan_id']}").json
    path = f"/v1/scans/{first['scan_id']}/corrections"
    made = api.call("POST", path, json={"finding": "cataract", "label": "normal", "note": "clear lens"})
    assert made.status_code == 201 and made.json["made_by"] in api.tokens["a"]
    api.call("POST", path, json={"finding": "cataract", "label": "unusable"})
    after = api.call("GET", f"/v1/scans/{first['scan_id']}").json
    assert [each["label"] for each in after.pop("corrections")] == ["normal", "unusable"]
    assert before.pop("corrections") == [] and after == before, "the result is what it was"
    again = api.call("GET", "/v1/reviews?pipeline=cataract").json["items"][0]
    assert [each["label"] for each in again["corrections"]] == ["normal", "unusable"]
    assert api.call("GET", "/v1/reviews?pipeline=cataract", "b").json["items"] == []
    assert problem(api.call("GET", f"/v1/reviews?alert={alert['id']}&pipeline=cat_face")) == (404, "NOT_FOUND")


@pytest.mark.row("S3.5")
def test_corrections_are_exported_for_training(api: Api, clinic: Clinic) -> None:
    scan = api.call("GET", "/v1/reviews?pipeline=cataract&limit=1").json["items"][0]["scan_id"]
    for label in ("normal", "cataract"):
        body = {"finding": "cataract", "label": label, "note": "=1+1"}
        assert api.call("POST", f"/v1/scans/{scan}/corrections", json=body).status_code == 201
    lines = api.call("GET", "/v1/corrections?pipeline=cataract").get_data(as_text=True).splitlines()
    found = [json.loads(line) for line in lines]
    assert [(each["label"], each["latest"]) for each in found] == [("normal", False), ("cataract", True)]
    assert found[0]["scan_id"] == scan and found[0]["sha256"] and found[0]["said"]
    table = api.call("GET", "/v1/corrections?pipeline=cataract&format=csv").get_data(as_text=True)
    cells = list(csv.DictReader(io.StringIO(table)))
    assert [each["label"] for each in cells] == ["normal", "cataract"] and cells[0]["note"] == "'=1+1"
    assert api.call("GET", "/v1/corrections?pipeline=cataract", "b").get_data() == b""
    assert problem(api.call("GET", "/v1/corrections?format=xlsx")) == (422, "INVALID_FIELD")


def test_what_is_no_correction_is_refused(api: Api, clinic: Clinic) -> None:
    scan = api.call("GET", "/v1/reviews?pipeline=cataract&limit=1").json["items"][0]["scan_id"]
    for body in (
        {"finding": "mouth", "label": "normal"},
        {"finding": "cataract", "label": "glaucoma"},
        {"finding": "cataract", "label": "uncertain"},
        {"finding": "cataract"},
        {"finding": "cataract", "label": "normal", "note": ""},
        {"finding": "cataract", "label": "normal", "model": "x"},
    ):
        assert problem(api.call("POST", f"/v1/scans/{scan}/corrections", json=body)) == (422, "INVALID_FIELD"), body
    [turned_away] = clinic.scanned(
        [{"findings": {"cataract": {"outcome": "skipped", "code": "UPSTREAM_NOT_OK"}}}],
        status="rejected",
        code="NOT_AN_EYE",
    )
    path = f"/v1/scans/{turned_away}/corrections"
    assert api.call("POST", path, json={"finding": "cataract", "label": "normal"}).status_code == 201
    assert problem(api.call("POST", path, json={"finding": "cataract", "label": "No!"})) == (422, "INVALID_FIELD")
    open_scan = api.scan()
    body = {"finding": "x", "label": "y"}
    assert problem(api.call("POST", f"/v1/scans/{open_scan}/corrections", json=body)) == (409, "NOT_FINISHED")


def test_the_page_shows_then_and_now_by_links_that_work_and_runs_nothing(api: Api, clinic: Clinic) -> None:
    pictured(api, clinic)
    clinic.execute("UPDATE scan SET filename = '<script>.jpg'")
    answer = api.call("GET", f"/v1/reviews/page?alert={opened(api)['id']}")
    text = answer.get_data(as_text=True)
    assert (answer.mimetype, answer.headers["Cache-Control"]) == ("text/html", "private, no-store")
    assert "<script" not in text and "&lt;script&gt;.jpg" in text
    assert "brightness" in text and "median 0." in text and "scanmill drift close" in text
    links = [link.replace("&amp;", "&") for link in re.findall(r'<img[^>]* src="([^"]+)"', text)]
    assert len(links) == 6 + 6 + 24, "then, now, and the list"
    assert {api.call("GET", link, None).status_code for link in links[:3]} == {200}
    rules = dict(rule.split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split("; "))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "'self'" and "unsafe" not in rules["style-src"]
    bare = api.call("GET", "/v1/reviews/page?pipeline=cat_face", "b").get_data(as_text=True)
    assert "No alert is open" in bare and "No scan to look at" in bare


def test_the_command_line_does_all_of_it(api: Api, clinic: Clinic, server: Server, tmp_path: Path) -> None:
    settings = {"SCANMILL_API_URL": server.url, "SCANMILL_API_KEY": api.tokens["a"]}

    def run(*words: str, code: int = 0) -> Any:
        done = CliRunner().invoke(build(words[0]), [*words, "--json"], env=settings)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    first_day = (today() - timedelta(2)).isoformat()
    status = run("drift", "status", "--pipeline", "cataract", "--since", first_day)
    assert (status["recent"]["scans"], status["counted_until"]) == (80, today().isoformat())
    [alert] = run("drift", "alerts", "--pipeline", "cataract")
    assert run("drift", "check", "--pipeline", "cataract") == []
    looks = run("drift", "reviews", "--alert", alert["id"], "--limit", "3")
    assert len(looks) == 3
    scan = looks[0]["scan_id"]
    said = run("corrections", "add", scan, "cataract", "normal", "--note", "clear")
    assert (said["scan_id"], said["label"]) == (scan, "normal")
    assert run("status", scan)["corrections"] == [said]
    file = tmp_path / "corrections.csv"
    words = ("corrections", "export", "--pipeline", "cataract", "--format", "csv", "--to", str(file))
    assert run(*words)["bytes"] == file.stat().st_size > 0
    assert run("drift", "close", alert["id"], "--note", "a lamp")["note"] == "a lamp"
    assert run("drift", "alerts", "--closed")[0]["id"] == alert["id"]
    plain = CliRunner().invoke(build("corrections"), ["corrections", "export", "--pipeline", "cataract"], env=settings)
    assert json.loads(plain.stdout)["scan_id"] == scan
    shown = [CliRunner().invoke(build("drift"), ["drift", word, *more], env=settings) for word, *more in PLAIN]
    assert [done.exit_code for done in shown] == [0, 0, 0], [done.output for done in shown]
    reader = {**settings, "SCANMILL_API_KEY": api.tokens["a scans:read"]}
    assert CliRunner().invoke(build("drift"), ["drift", "check"], env=reader).exit_code == 5


PLAIN = (["status"], ["alerts", "--closed"], ["reviews", "--pipeline", "cataract"])
