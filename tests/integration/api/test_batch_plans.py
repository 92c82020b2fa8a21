"""A plan over HTTP: nothing is queued for it, and it is what then happens."""

from __future__ import annotations

from db import pipelines
from tests.integration.api.harness import SPECIFICATION, Api, problem
from tests.integration.api.test_batches import opened, say, shown, turn, upload

pytest_plugins = ("tests.integration.api.fixtures",)


def finished(api: Api) -> str:
    batch = opened(api)
    for name in ("one.jpg", "two.jpg"):
        upload(api, batch, name)
    say(api, batch, "finalise")
    turn(api)
    return batch


def test_a_dry_run_says_what_would_be_computed_and_queues_nothing(api: Api) -> None:
    batch = finished(api)
    newer = [{**each, "version": 2} if each["name"] == "render_preview" else each for each in SPECIFICATION["stages"]]  # type: ignore[attr-defined]
    with api.here.database.begin() as connection:
        pipelines.publish(connection, {**SPECIFICATION, "stages": newer})
    response = say(api, batch, "reprocess", dry_run=True)
    plan = response.json
    assert (response.status_code, plan["batch_id"], plan["scans"]) == (200, batch, 2)
    stages = {each["name"]: (each["changed"], each["computed"]["most"]) for each in plan["stages"]}
    assert stages == {"fetch_input": ([], 0), "render_preview": (["version"], 1), "build_report": ([], 0)}
    assert plan["reused"] == {"least": 5, "most": 5}, "fetching left the same for both, so one preview serves both"
    assert len(api.call("GET", "/v1/batches").json["items"]) == 1, "no batch was made"
    again = say(api, batch, "reprocess", dry_run=False)
    assert (again.status_code, shown(api, str(again.json["id"]))["parent"]) == (202, batch)
    without = say(api, batch, "reprocess", dry_run=True, options={"generate_preview": False}).json
    assert {each["name"]: each["skipped"]["least"] for each in without["stages"]}["render_preview"] == 2


def test_a_plan_is_refused_as_the_deed_would_be(api: Api) -> None:
    batch = opened(api)
    assert problem(say(api, batch, "reprocess", dry_run=True)) == (409, "BATCH_CLOSED")
    assert problem(say(api, batch, "reprocess", "b", dry_run=True)) == (404, "NOT_FOUND")
    assert problem(say(api, batch, "reprocess", dry_run="yes")) == (422, "INVALID_FIELD")
    wrong = say(api, batch, "reprocess", dry_run=True, options={"nonsense": True})
    assert problem(wrong) == (422, "INVALID_FIELD")
