"""What pictures show and when they were taken comes in by every door, stays through retries, and makes a history."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from db import pipelines
from db.sql import run
from tests.integration.api.harness import SPECIFICATION, Api, problem
from tests.integration.api.pictures import jpeg

pytest_plugins = ("tests.integration.api.fixtures",)

STAGES: Any = SPECIFICATION["stages"]
THERMAL = {
    "system": "thermal",
    "stages": [
        STAGES[0],
        {**STAGES[0], "name": "measure", "kind": "measure", "needs": ["fetch_input"], "parameters": {"options": ["emissivity"]}},
        *STAGES[1:],
    ],
}  # fmt: skip
DAYS = [f"2026-03-0{day}T12:00:00+01:00" for day in range(1, 6)]


@pytest.fixture
def grid(api: Api) -> Api:
    """Thermal is offered, with a stage that reads an option."""
    with api.here.database.begin() as connection:
        pipelines.publish(connection, THERMAL)
    return api


def sent(grid: Api, shade: int, day: int, asset: str = "T-17", **other: Any) -> str:
    return grid.scan(content=jpeg(shade=shade), pipeline="thermal", asset_id=asset, taken_at=DAYS[day], **other)


def judged(grid: Api, scan_id: str, score: float, memory: str = "a", **report: Any) -> None:
    """What a worker's report would say of that scan."""
    anomaly = {"score": score, "band": "Faulty", "threshold": 0.5, "is_anomalous": score >= 0.5}
    model = {"thermal_patchcore": {"version": memory, "digest": memory * 64}}
    told = {"anomaly": anomaly, "stages": {"detect_anomalies": {"models": model}}, **report}
    with grid.here.database.begin() as connection:
        run(
            connection,
            """WITH last AS (
                   SELECT id, result_id FROM stage_run WHERE scan_id = CAST(:scan AS uuid) ORDER BY stage_id DESC LIMIT 1
               ), made AS (
                   INSERT INTO result (tenant_id, work, profile, outcome, data, provenance, digest)
                   SELECT tenant_id, :scan, profile, outcome, CAST(:data AS jsonb), provenance, digest
                   FROM result WHERE id = (SELECT result_id FROM last) RETURNING id
               )
               UPDATE stage_run SET result_id = made.id FROM made, last WHERE stage_run.id = last.id""",
            data=json.dumps({"report": told}),
            scan=scan_id,
        )


def history_of_four(grid: Api) -> list[str]:
    """Sent in another order than taken; the third was compared with another memory."""
    warm = {"temperatures": {"code": None, "max": 71.5, "emissivity": 0.9}}
    scans = {}
    for day, score, memory in ((2, 0.2, "b"), (0, 0.1, "a"), (3, 0.9, "b"), (1, 0.6, "a")):
        scans[day] = sent(grid, 10 * day + 10, day)
        grid.work()
        judged(grid, scans[day], score, memory, **warm)
    return [scan_id for _, scan_id in sorted(scans.items())]


def trend(grid: Api, query: str = "", **headers: str) -> Any:
    return grid.call("GET", f"/v1/assets/T-17/trend{query}", headers=headers)


def test_a_history_is_told_in_the_order_of_the_pictures(grid: Api) -> None:
    scans = history_of_four(grid)
    told = trend(grid).json
    assert [point["scan_id"] for point in told["points"]] == scans
    assert [point["score"] for point in told["points"]] == [0.1, 0.6, 0.2, 0.9]
    assert [point["break"] for point in told["points"]] == [False, False, True, False]
    assert told["first_crossing"]["scan_id"] == scans[1] and told["points"][0]["max_c"] == 71.5
    assert [(each["memory"]["version"], each["points"]) for each in told["segments"]] == [("a", 2), ("b", 2)]
    since = trend(grid, "?since=2026-03-02T00:00:00Z&pipeline=thermal").json
    assert [point["scan_id"] for point in since["points"]] == scans[1:]


def test_a_history_as_a_table_and_as_a_page(grid: Api) -> None:
    scans = history_of_four(grid)
    for answer in (trend(grid, "?format=csv"), trend(grid, Accept="text/csv")):
        lines = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
        assert answer.mimetype == "text/csv" and [line["scan_id"] for line in lines] == scans
        assert [line["memory_version"] for line in lines] == ["a", "a", "b", "b"] and lines[2]["break"] == "True"
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    for answer in (trend(grid, "?format=html"), trend(grid, Accept=browser)):
        text = answer.get_data(as_text=True)
        assert answer.mimetype == "text/html" and text.count("<polyline") == 3 and scans[3] in text
        assert "script" not in answer.headers["Content-Security-Policy"] and answer.headers["Vary"] == "Accept"
    assert trend(grid, Accept="*/*").mimetype == trend(grid).mimetype == "application/json"


def test_what_was_never_answered_is_a_point_without_a_score(grid: Api) -> None:
    sent(grid, 10, 0)
    told = trend(grid).json
    assert (told["points"][0]["status"], told["points"][0]["score"], told["segments"]) == ("queued", None, [])


@pytest.mark.parametrize("query", ["?format=xml", "?since=yesterday", "?pipeline=cat_face", "?limit=3"])
def test_a_question_that_cannot_be_answered_is_refused(grid: Api, query: str) -> None:
    sent(grid, 10, 0)
    assert problem(trend(grid, query)) == (422, "INVALID_FIELD")


def test_nothing_is_an_asset_of_no_scan(grid: Api) -> None:
    assert problem(trend(grid)) == (404, "NOT_FOUND")
    assert problem(grid.call("GET", "/v1/assets/a%00b/trend")) == (422, "INVALID_FIELD")


def test_assets_are_listed_by_name_page_by_page(grid: Api) -> None:
    for place, asset in enumerate(["T-2", "T-1", "Bay 3 · phase ä", "T-2"]):
        sent(grid, 10 + place, place, asset)
    grid.scan(asset_id="T-1")
    grid.scan()
    first = grid.call("GET", "/v1/assets?limit=2").json
    assert [each["asset_id"] for each in first["items"]] == ["Bay 3 · phase ä", "T-1"] and first["next_cursor"] == "T-1"
    assert first["items"][1]["systems"] == ["cat_face", "thermal"]
    rest = grid.call("GET", f"/v1/assets?cursor={first['next_cursor']}").json
    assert [(each["asset_id"], each["scans"]) for each in rest["items"]] == [("T-2", 2)] and rest["next_cursor"] is None
    assert rest["items"][0]["first_at"][:10] == "2026-03-01" and rest["items"][0]["last_at"][:10] == "2026-03-04"


@pytest.mark.parametrize(
    "about",
    [
        {"asset_id": "a/b"}, {"asset_id": ".."}, {"asset_id": ""}, {"asset_id": "x" * 201}, {"asset_id": "a\nb"},
        {"taken_at": "2026-03-01"}, {"taken_at": "2026-03-01T12:00:00"}, {"taken_at": "0001-01-01T00:00:00+14:00"},
        {"taken_at": "9999-12-31T23:59:59-14:00"},
    ],
)  # fmt: skip
def test_what_is_no_name_or_time_is_refused_at_every_door(grid: Api, about: dict[str, str]) -> None:
    assert problem(grid.submit(**about)) == (422, "INVALID_FIELD")
    body = {"object_key": "a.jpg", **about}
    assert problem(grid.call("POST", "/v1/scans", json=body)) == (422, "INVALID_FIELD")
    batch = grid.call("POST", "/v1/batches", json={"pipeline": "thermal"}).json["id"]
    items = {"items": [{"custom_id": "a", **body}]}
    assert problem(grid.call("POST", f"/v1/batches/{batch}/items", json=items)) == (422, "INVALID_FIELD")
    file = {"file": (io.BytesIO(jpeg()), "a.jpg")}
    assert problem(grid.call("POST", "/api/v1/detect-anomaly", data={**file, **about})) == (422, "INVALID_FIELD")


def about(scan: dict[str, Any]) -> tuple[str, str]:
    return scan["asset_id"], scan["taken_at"][:19]


def test_every_door_takes_it_and_a_retry_keeps_it(grid: Api) -> None:
    said = {"asset_id": "T-9", "taken_at": DAYS[1]}
    kept = ("T-9", "2026-03-02T11:00:00")
    scan_id = grid.scan(**said)
    assert about(grid.call("GET", f"/v1/scans/{scan_id}").json) == kept
    grid.work()
    again = grid.call("POST", f"/v1/scans/{scan_id}/retry").json["id"]
    assert about(grid.call("GET", f"/v1/scans/{again}").json) == kept
    seed = {"file": (io.BytesIO(jpeg(shade=3)), "a.jpg"), **said}
    made = grid.call("POST", "/api/v1/detect-anomaly", data=seed, headers={"Prefer": "respond-async"}).json["scan_id"]
    assert about(grid.call("GET", f"/v1/scans/{made}").json) == kept
    several = {"files[]": (io.BytesIO(jpeg(shade=4)), "a.jpg"), **said}
    batch = grid.call("POST", "/api/v1/batch-detect", data=several).json["batch_id"]
    assert about(grid.call("GET", f"/v1/batches/{batch}/items").json["items"][0]) == kept


def test_lines_of_a_batch_have_their_own_and_the_report_stands_by_asset(grid: Api) -> None:
    batch = grid.call("POST", "/v1/batches", json={"pipeline": "thermal"}).json["id"]
    items = [
        {"custom_id": name, "object_key": name, "asset_id": asset}
        for name, asset in (("1", "B"), ("2", "A"), ("3", "B"))
    ]
    grid.call("POST", f"/v1/batches/{batch}/items", json={"items": items})
    upload = {"file": (io.BytesIO(jpeg()), "4"), "custom_id": "4"}
    assert grid.call("POST", f"/v1/batches/{batch}/items", data=upload).json["added"] == 1
    page = grid.call("GET", f"/v1/batches/{batch}/report").get_data(as_text=True)
    places = [
        page.index(text) for text in (">B</h3>", "<h2>1<", "<h2>3<", ">A</h3>", "<h2>2<", ">of no asset</h3>", "<h2>4<")
    ]
    assert places == sorted(places)
    plain = grid.call("POST", "/v1/batches", json={"pipeline": "thermal"}).json["id"]
    grid.call("POST", f"/v1/batches/{plain}/items", json={"items": [{"custom_id": "1", "object_key": "1"}]})
    assert "of no asset" not in grid.call("GET", f"/v1/batches/{plain}/report").get_data(as_text=True)


@pytest.mark.parametrize("emissivity", [0, 0.009, 1.01, True, "0.9", None])
def test_an_emissivity_that_is_none_is_refused(grid: Api, emissivity: Any) -> None:
    options = json.dumps({"emissivity": emissivity})
    assert problem(grid.submit(pipeline="thermal", options=options)) == (422, "INVALID_FIELD")


def test_an_emissivity_is_kept_with_the_scan_and_of_no_use_elsewhere(grid: Api) -> None:
    options = '{"emissivity": 0.9}'
    scan_id = grid.scan(pipeline="thermal", options=options)
    assert grid.call("GET", f"/v1/scans/{scan_id}").json["options"] == {"emissivity": 0.9}
    assert problem(grid.submit(pipeline="cat_face", options=options)) == (422, "INVALID_FIELD")


def test_an_answer_by_another_emissivity_is_not_reused(grid: Api) -> None:
    def reused(options: str) -> dict[str, bool]:
        scan_id = grid.submit(pipeline="thermal", options=options).json["id"]
        grid.work()
        return {stage["name"]: stage["reused"] for stage in grid.call("GET", f"/v1/scans/{scan_id}").json["stages"]}

    assert not any(reused("{}").values())
    assert reused('{"emissivity": 0.9}') == {
        "fetch_input": True, "measure": False, "render_preview": True, "build_report": True,
    }  # fmt: skip
    assert all(reused('{"emissivity": 0.9}').values()) and all(reused("{}").values())
    assert not reused('{"emissivity": 0.8}')["measure"]
