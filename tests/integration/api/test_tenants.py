"""Two tenants over every operation: what is another's is not there, and what a key may not do it cannot.

The cases come from the app's own url_map: a new route without a case here fails.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zipfile import ZipFile

import pytest

from api.operations import OPERATIONS
from bench.drift_alarms import Stream
from db import corrections, drift_alerts, pipelines, training_runs, training_work
from db.training_runs import NewRun
from db.training_work import End
from pipeline.contracts import System
from pipeline.drift import Found, Verdict
from pipeline.systems import PIPELINES
from tasks import drift
from tasks.settings import TrainingSettings
from tests import photos
from tests.drifting import Clinic, today
from tests.integration.api.harness import SPECIFICATION, Api, problem
from tests.integration.api.pictures import jpeg

pytest_plugins = ("tests.integration.api.fixtures",)

MISSING = "01234567-89ab-7def-8123-456789abcdef"
ASSET = "T-17"


def foreign_scan(api: Api) -> dict[str, str]:
    """Ids that belong to tenant b, whose scan has ended with an artifact."""
    scan_id = api.scan("b", asset_id=ASSET)
    api.work()
    return {
        "scan_id": scan_id,
        "name": "preview",
        "asset_id": ASSET,
        "key_id": api.tokens["b"].split("_")[1],
        "training_id": foreign_training(api),
        "batch_id": foreign_batch(api),
        "webhook_id": foreign_webhook(api),
        "alert_id": foreign_alert(api),
        "delivery_id": MISSING,
        "other_id": MISSING,
    }


def publish_the_others(api: Api) -> None:
    """The systems with calls of their own, beside the harness's."""
    with api.here.database.begin() as connection:
        for system in (System.SKIN_HAIR, System.CATARACT):
            pipeline = PIPELINES[system]
            pipelines.publish(connection, pipeline.specification(dict.fromkeys(pipeline.models, "d" * 64)))


def foreign_batch(api: Api) -> str:
    """A batch of tenant b."""
    return str(api.call("POST", "/v1/batches", "b", json={"name": "secret"}).json["id"])


def foreign_webhook(api: Api) -> str:
    """A webhook of tenant b."""
    return str(api.call("POST", "/v1/webhooks", "b", json=WEBHOOK).json["id"])


def foreign_alert(api: Api) -> str:
    """An alert of tenant b's, and a day that was counted."""
    clinic = Clinic(api.here.database, "b")
    [scan] = clinic.scanned([Stream().report(random.Random(0))])
    drift.turn(api.here.database, api.here.drift)
    found = Found(
        *(
            "interactive",
            "input",
            "brightness",
            Verdict.DRIFTED,
            "kolmogorov-smirnov",
            90,
            90,
            0.5,
            0.15,
            1.0,
            0.0,
            0.0,
        ),
        before={"median": 0.5, "mean": 0.5},
        after={"median": 0.2, "mean": 0.2},
    )
    with api.here.database.begin() as connection:
        plan = api.here.drift.plan(today())
        [alert] = drift_alerts.opened(connection, clinic.tenant, "cataract", plan, [found])
        corrections.add(connection, clinic.tenant, scan, finding="cataract", label="normal", note=None, by="key")
    return str(alert.id)


WEBHOOK = {"url": "https://hooks.example.com/", "events": ["scan.*"]}


def foreign_training(api: Api) -> str:
    """A training of tenant b that left a file."""
    parameters = {"data": "/data"}
    new = NewRun(tenant_id=api.tenants["b"], recipe="areas", parameters=parameters, asked_by="key of b")
    end = End("succeeded", files={"preview": {"sha256": "a" * 64, "size": 1}})
    with api.here.database.begin() as connection:
        training_runs.announce(connection, {"areas": "Five heads."})
        made, _ = training_runs.submit(connection, new)
        held = training_work.claim(connection, uuid4(), ["areas"], 60)
        assert held is not None
        training_work.finish(connection, held, end)
    return str(made.id)


def is_not_found(api: Api, method: str, path: str, mine: str) -> None:
    """Another's is answered exactly like nothing at all."""
    foreign, missing = api.call(method, path), api.call(method, mine)
    assert problem(foreign) == problem(missing) == (404, "NOT_FOUND")
    same = {name: value for name, value in foreign.json.items() if name != "request_id"}
    assert same == {name: value for name, value in missing.json.items() if name != "request_id"}


def sees_nothing(api: Api, method: str, path: str, mine: str) -> None:
    listed = api.call(method, path).json["items"]
    assert listed == [] or {item["name"] for item in listed} == {"all", "admin", "scans:read", "scans:write"}
    assert api.tokens["b"].split("_")[1] not in str(listed)


def counts_nothing(api: Api, method: str, path: str, mine: str) -> None:
    assert api.call(method, path).json["scans"]["submitted"] == 0


def is_for_everybody(api: Api, method: str, path: str, mine: str) -> None:
    """Answers the same to everyone, and names nobody."""
    answers = [api.call(method, path, token) for token in (None, "a", "b")]
    assert len({answer.status_code for answer in answers}) == 1
    for answer in answers:
        assert str(api.tenants["b"]) not in answer.get_data(as_text=True)


def makes_its_own(api: Api, method: str, path: str, mine: str) -> None:
    """What a makes is not b's, and leaves b's alone."""
    body: dict[str, Any] = {"name": "new", "scopes": ["scans:read"]}
    if path != "/v1/keys":
        body = {"object_key": "cat.jpg"}
    answer = api.call(method, path, json=body, headers={"Prefer": "respond-async"}).json
    made = answer.get("id") or answer["scan_id"]
    assert api.call("GET", "/v1/system", "b").json["scans"]["submitted"] == 1
    assert made not in str(api.call("GET", "/v1/keys", "b").json)
    assert api.call("GET", f"/v1/scans/{made}", "b").status_code == 404


def analyses_its_own(api: Api, method: str, path: str, mine: str) -> None:
    """The same of a call of another system."""
    with api.here.database.begin() as connection:
        for system in ("skin_hair", "thermal"):
            pipelines.publish(connection, {**SPECIFICATION, "system": system})
    makes_its_own(api, method, path, mine)


def is_no_asset_of_mine(api: Api, method: str, path: str, mine: str) -> None:
    """Another's asset is none, also where its owner sees a history."""
    with api.here.database.begin() as connection:
        pipelines.publish(connection, {**SPECIFICATION, "system": "thermal"})
    api.submit("b", asset_id=ASSET, pipeline="thermal")
    assert len(api.call(method, path, "b").json["points"]) == 1
    is_not_found(api, method, path, mine)


def announces_its_own(api: Api, method: str, path: str, mine: str) -> None:
    """What a announced is nothing to b."""
    made = api.call(method, path).json["scan_id"]
    assert api.call("GET", f"/api/v1/scan/{made}/results", "b").status_code == 404
    assert api.call("GET", f"/api/v1/scan/{made}/results").status_code == 202


def detects_its_own(api: Api, method: str, path: str, mine: str) -> None:
    """Thermograms that a sends are nothing to b."""
    with api.here.database.begin() as connection:
        pipelines.publish(connection, {**SPECIFICATION, "system": "thermal"})
    made = api.call(method, path, data={"files[]": (io.BytesIO(jpeg()), "a.jpg")}).json["batch_id"]
    assert api.call("GET", f"/api/v1/batch-detect/{made}", "b").status_code == 404
    assert api.call("GET", f"/api/v1/batch-detect/{made}").status_code == 202


def trains_for_itself(api: Api, method: str, path: str, mine: str) -> None:
    """A training that a asks for is not b's."""
    api.here.training = TrainingSettings(roots=[Path("/data")])
    made = api.call(method, path, json={"recipe": "areas", "parameters": {"data": "/data/cats"}}).json["id"]
    assert api.call("GET", f"/v1/training/{made}", "b").status_code == 404
    assert made not in str(api.call("GET", "/v1/training", "b").json)


def trains_in_the_seeds_words(api: Api, method: str, path: str, mine: str) -> None:
    """The same of the cataract seed's calls."""
    api.here.training = TrainingSettings(roots=[Path("/data")])
    with api.here.database.begin() as connection:
        training_runs.announce(connection, dict.fromkeys(("cataract_fast", "cataract_strong"), "Eyes."))
    made = api.call(method, path).json["training_id"]
    assert api.call("GET", f"/v1/training/{made}", "b").status_code == 404
    assert made not in str(api.call("GET", "/v1/training", "b").json)


def opens_its_own(api: Api, method: str, path: str, mine: str) -> None:
    """A batch that a opens is not b's."""
    made = api.call(method, path, json={"name": "new"}).json["id"]
    assert api.call("GET", f"/v1/batches/{made}", "b").status_code == 404
    assert api.call("GET", "/v1/batches", "b").json["items"] != []
    assert made not in str(api.call("GET", "/v1/batches", "b").json)


def sends_a_batch_of_its_own(api: Api, method: str, path: str, mine: str) -> None:
    """A batch of pictures that a sends is not b's."""
    made = api.call(method, path, data={"images": (io.BytesIO(photos.cat()), "x.jpg")}).json["batch_id"]
    assert api.call("GET", f"{path}/{made}", "b").status_code == 404
    assert api.call("GET", f"{path}/{made}").json["batch_id"] == made
    assert made not in str(api.call("GET", "/v1/batches", "b").json)


def sends_its_own(api: Api, method: str, path: str, mine: str) -> None:
    """A webhook that a makes is not b's, and is not told of b's scans."""
    made = api.call(method, path, json=WEBHOOK).json["id"]
    assert api.call("GET", f"/v1/webhooks/{made}", "b").status_code == 404
    assert made not in str(api.call("GET", "/v1/webhooks", "b").json)
    assert api.submit("b").json["status"] == "succeeded"
    assert api.call("GET", f"/v1/webhooks/{made}/deliveries").json["items"] == []


def is_no_webhook_of_mine(api: Api, method: str, path: str, mine: str) -> None:
    """Another's webhook is answered exactly like none at all, and b's stays as it was."""
    before = api.call("GET", "/v1/webhooks", "b").json
    body = {"json": {"enabled": False}} if method == "PATCH" else {}
    foreign, missing = (api.call(method, each, **body) for each in (path, mine))
    assert problem(foreign) == problem(missing) == (404, "NOT_FOUND")
    assert api.call("GET", "/v1/webhooks", "b").json == before


def is_no_batch_of_mine(api: Api, method: str, path: str, mine: str) -> None:
    """Another's batch is answered exactly like none at all, whatever is asked of it."""
    body = BODIES.get((method, mine.rpartition("/")[2]), {} if method == "POST" else None)
    given = {} if body is None else {"json": body}
    foreign, missing = (api.call(method, each, **given) for each in (path, mine))
    assert problem(foreign) == problem(missing) == (404, "NOT_FOUND")


BODIES = {
    ("POST", "items"): {"items": [{"custom_id": "x", "object_key": "x.jpg"}]},
    ("PATCH", MISSING): {"priority": 1},
}


def tells_nothing_of_b(api: Api, method: str, path: str, mine: str) -> None:
    """What was counted, found or said of b's scans is not told to a; it is told to b."""
    body = {"json": {"pipeline": "cataract"}} if method == "POST" else {}
    asked = path if path == "/drift_status" or method == "POST" else f"{path}?pipeline=cataract"
    to_a, to_b = (api.call(method, asked, token, **body).get_data(as_text=True) for token in ("a", "b"))
    assert (today() - timedelta(1)).isoformat() not in to_a or path == "/drift_status"
    assert to_a != to_b


def is_no_alert_of_mine(api: Api, method: str, path: str, mine: str) -> None:
    """Another's alert is answered exactly like none at all, and stays open."""
    body = {"json": {}} if method == "POST" else {}
    foreign, missing = (api.call(method, each, **body) for each in (path, mine))
    assert problem(foreign) == problem(missing) == (404, "NOT_FOUND")
    assert len(api.call("GET", "/v1/drift/alerts", "b").json["items"]) == 1


def takes_no_correction(api: Api, method: str, path: str, mine: str) -> None:
    """Another's scan is not there to be corrected."""
    body = {"finding": "cataract", "label": "normal"}
    foreign, missing = (api.call(method, each, json=body) for each in (path, mine))
    assert problem(foreign) == problem(missing) == (404, "NOT_FOUND")


def is_the_installations(api: Api, method: str, path: str, mine: str) -> None:
    """Models are nobody's: both tenants' administrators see the same, and no key of the other: see test_models."""
    body = {"json": {"version": "1"}} if method == "POST" else {}
    answers = [api.call(method, path, token, **body) for token in ("a", "b")]
    assert len({answer.status_code for answer in answers}) == 1
    assert api.tokens["b"].split("_")[1] not in answers[0].get_data(as_text=True)


def is_no_scan_of_mine(api: Api, method: str, path: str, mine: str) -> None:
    """What a says of b's scan is said of nothing."""
    foreign, missing = (api.call(method, each, json={"training": True}) for each in (path, mine))
    assert problem(foreign) == problem(missing) == (404, "NOT_FOUND")
    of_b = api.call("GET", path.removesuffix("/consent"), "b").json
    assert of_b["consent"] == {"training": None, "at": None, "by": None}


def speaks_for_itself(api: Api, method: str, path: str, mine: str) -> None:
    """What a says of training is not b's word."""
    body = {"json": {"training": True}} if method == "PUT" else {}
    assert api.call(method, path, **body).json["training"] is (method == "PUT")
    assert api.call("GET", path, "b").json == {"training": False, "at": None, "by": None}


def exports_its_own(api: Api, method: str, path: str, mine: str) -> None:
    """A dataset has nothing of b's, though b allows it, and does not even count it."""
    scan = api.call("GET", "/v1/scans", "b").json["items"][0]["id"]
    for each in ("/v1/consent", f"/v1/scans/{scan}/consent"):
        api.call("PUT", each, "b", json={"training": True})
    with ZipFile(io.BytesIO(api.call(method, "/v1/datasets/cat_face").get_data())) as pack:
        assert json.loads(pack.read("dataset.json"))["counts"]["scans"] == 0
        assert not any(name.startswith("images/") for name in pack.namelist())


def is_in_no_bucket_of_mine(api: Api, method: str, path: str, mine: str) -> None:
    """The seed's buckets name a file by its scan."""
    of_b = api.call("GET", "/v1/scans", "b").json["items"][0]["id"]
    assert api.call(method, f"/files/preview-bounding-box/{of_b}", "b").status_code == 302
    is_not_found(api, method, f"/files/preview-bounding-box/{of_b}", f"/files/preview-bounding-box/{MISSING}")


CASES: dict[tuple[str, str], Callable[[Api, str, str, str], None]] = {
    ("POST", "/v1/scans"): makes_its_own,
    ("GET", "/v1/scans"): sees_nothing,
    ("GET", "/v1/assets"): sees_nothing,
    ("GET", "/v1/assets/<asset_id>/trend"): is_no_asset_of_mine,
    ("GET", "/v1/scans/<scan_id>"): is_not_found,
    ("GET", "/v1/scans/<scan_id>/events"): is_not_found,
    ("GET", "/v1/scans/<scan_id>/artifacts/<name>"): is_not_found,
    ("DELETE", "/v1/scans/<scan_id>"): is_not_found,
    ("PUT", "/v1/scans/<scan_id>/consent"): is_no_scan_of_mine,
    ("GET", "/v1/consent"): speaks_for_itself,
    ("PUT", "/v1/consent"): speaks_for_itself,
    ("GET", "/v1/datasets/<system>"): exports_its_own,
    ("POST", "/v1/scans/<scan_id>/cancel"): is_not_found,
    ("POST", "/v1/scans/<scan_id>/retry"): is_not_found,
    ("POST", "/api/validate"): makes_its_own,
    ("POST", "/api/detect-face"): makes_its_own,
    ("POST", "/api/predict"): makes_its_own,
    ("GET", "/api/results/<scan_id>"): is_not_found,
    ("POST", "/api/v1/analyze"): analyses_its_own,
    ("POST", "/api/v1/detect-anomaly"): analyses_its_own,
    ("GET", "/api/v1/detect-anomaly/<scan_id>"): is_not_found,
    ("POST", "/api/v1/batch-detect"): detects_its_own,
    ("GET", "/api/v1/batch-detect/<batch_id>"): is_no_batch_of_mine,
    ("GET", "/api/v1/model-info"): is_the_installations,
    ("POST", "/api/v1/scan/init"): announces_its_own,
    ("POST", "/api/v1/scan/<scan_id>/upload"): is_not_found,
    ("GET", "/api/v1/scan/<scan_id>/results"): is_not_found,
    ("GET", "/api/v1/analyze/<scan_id>"): is_not_found,
    ("POST", "/predict_lgbm"): makes_its_own,
    ("POST", "/predict_clip"): makes_its_own,
    ("POST", "/predict_ensemble"): makes_its_own,
    ("GET", "/predictions/<scan_id>"): is_not_found,
    ("POST", "/predict_batch"): sends_a_batch_of_its_own,
    ("GET", "/predict_batch/<batch_id>"): is_not_found,
    ("POST", "/train_lgbm"): trains_in_the_seeds_words,
    ("POST", "/train_clip"): trains_in_the_seeds_words,
    ("GET", "/system_info"): counts_nothing,
    ("GET", "/drift_status"): tells_nothing_of_b,
    ("GET", "/v1/drift"): tells_nothing_of_b,
    ("POST", "/v1/drift/checks"): tells_nothing_of_b,
    ("GET", "/v1/drift/alerts"): sees_nothing,
    ("GET", "/v1/drift/alerts/<alert_id>"): is_no_alert_of_mine,
    ("POST", "/v1/drift/alerts/<alert_id>/close"): is_no_alert_of_mine,
    ("GET", "/v1/reviews"): tells_nothing_of_b,
    ("GET", "/v1/reviews/page"): tells_nothing_of_b,
    ("POST", "/v1/scans/<scan_id>/corrections"): takes_no_correction,
    ("GET", "/v1/corrections"): tells_nothing_of_b,
    ("GET", "/files/<bucket>/<name>"): is_in_no_bucket_of_mine,
    ("GET", "/v1/files/<path:key>"): is_for_everybody,  # the signature is the key: see test_reading
    ("GET", "/v1/pipelines"): lambda api, method, path, mine: None,  # the same for every tenant, but not for nobody
    ("GET", "/v1/keys"): sees_nothing,
    ("POST", "/v1/keys"): makes_its_own,
    ("DELETE", "/v1/keys/<key_id>"): is_not_found,
    ("GET", "/v1/models"): is_the_installations,
    ("GET", "/v1/models/<name>/versions"): is_the_installations,
    ("GET", "/v1/models/<name>/card"): is_the_installations,
    ("POST", "/v1/models/<name>/promote"): is_the_installations,
    ("POST", "/v1/models/<name>/rollback"): is_the_installations,
    ("POST", "/v1/batches"): opens_its_own,
    ("GET", "/v1/batches"): sees_nothing,
    **{
        (method, f"/v1/batches/<batch_id>{rest}"): is_no_batch_of_mine
        for method, rest in (
            ("GET", ""),
            ("PATCH", ""),
            ("GET", "/items"),
            ("POST", "/items"),
            ("GET", "/errors"),
            ("GET", "/export"),
            ("GET", "/artifacts"),
            ("POST", "/artifacts"),
            ("GET", "/scanpack"),
            ("GET", "/report"),
            ("POST", "/finalise"),
            ("POST", "/pause"),
            ("POST", "/resume"),
            ("POST", "/cancel"),
            ("POST", "/retry"),
            ("POST", "/reprocess"),
            ("GET", "/diff/<other_id>"),
            ("GET", "/diff/<other_id>/lines"),
            ("GET", "/diff/<other_id>/page"),
        )
    },
    ("GET", "/v1/signing-key"): is_for_everybody,
    ("GET", "/v1/training/recipes"): is_the_installations,
    ("POST", "/v1/training"): trains_for_itself,
    ("GET", "/v1/training"): sees_nothing,
    ("GET", "/v1/training/<training_id>"): is_not_found,
    ("POST", "/v1/training/<training_id>/cancel"): is_not_found,
    ("POST", "/v1/training/<training_id>/resume"): is_not_found,
    ("GET", "/v1/training/<training_id>/files/<name>"): is_not_found,
    ("POST", "/v1/webhooks"): sends_its_own,
    ("GET", "/v1/webhooks"): sees_nothing,
    **{
        (method, f"/v1/webhooks/<webhook_id>{rest}"): is_no_webhook_of_mine
        for method, rest in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/rotate"),
            ("POST", "/test"),
            ("GET", "/deliveries"),
            ("POST", "/deliveries/<delivery_id>/redeliver"),
        )
    },
    ("GET", "/v1/system"): counts_nothing,
    **{
        ("GET", path): is_for_everybody
        for path in ("/", "/docs", "/assets/style.css", "/openapi.json", "/health", "/ready", "/metrics")
    },
}


def test_every_route_has_a_case_and_is_in_the_table(api: Api) -> None:
    routes = {
        (method, rule.rule) for rule in api.app.url_map.iter_rules() for method in (rule.methods or set()) - {"HEAD"}
    }
    assert routes == set(CASES)
    assert routes == {(operation.method, operation.path) for operation in OPERATIONS}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nothing_of_another_tenant_is_there(api: Api, case: tuple[str, str]) -> None:
    method, rule = case
    ids = foreign_scan(api)
    publish_the_others(api)
    path, mine = rule.replace("<path:key>", f"t/{api.tenants['b']}/a/x"), rule
    for name, value in ids.items():
        path = path.replace(f"<{name}>", value)
        mine = mine.replace(f"<{name}>", NOBODYS.get(name, value))
    CASES[case](api, method, path, mine)
    scan = api.call("GET", f"/v1/scans/{ids['scan_id']}", "b").json
    assert scan["status"] == "succeeded"
    assert api.call("GET", "/v1/keys", "b").status_code == 200


NOBODYS = {
    **dict.fromkeys(("scan_id", "asset_id", "training_id", "batch_id", "webhook_id", "alert_id"), MISSING),
    "key_id": "abc123",
}
KEYED = [operation for operation in OPERATIONS if operation.scope]


@pytest.mark.parametrize("operation", KEYED, ids=lambda operation: operation.endpoint)
def test_a_key_is_needed_and_must_have_the_scope(api: Api, operation: Any) -> None:
    path = (
        operation.path.replace("<scan_id>", MISSING)
        .replace("<name>", "preview")
        .replace("<key_id>", "abc")
        .replace("<training_id>", MISSING)
        .replace("<batch_id>", MISSING)
        .replace("<other_id>", MISSING)
        .replace("<webhook_id>", MISSING)
        .replace("<delivery_id>", MISSING)
        .replace("<alert_id>", MISSING)
    )
    assert problem(api.call(operation.method, path, None)) == (401, "UNAUTHENTICATED")
    others = [f"a {scope}" for scope in ("scans:read", "scans:write", "admin") if scope != operation.scope]
    for other in others:
        refused = api.call(operation.method, path, other)
        assert problem(refused) == (403, "FORBIDDEN_SCOPE")
        assert operation.scope in refused.headers["WWW-Authenticate"]
    assert api.call(operation.method, path, f"a {operation.scope}").status_code not in (401, 403)


def test_open_operations_are_the_ones_we_mean() -> None:
    assert {operation.path for operation in OPERATIONS if operation.scope is None} == {
        "/", "/docs", "/assets/style.css", "/openapi.json", "/health", "/ready", "/metrics", "/v1/files/<path:key>",
        "/v1/signing-key",
    }  # fmt: skip
