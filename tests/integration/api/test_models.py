"""Model versions over HTTP: administrators look and ask; nothing here loads a model."""

from __future__ import annotations

from typing import Any

import pytest

from db import model_promotions, model_versions, pipelines
from db.model_promotions import PROMOTE, ROLLBACK
from db.model_versions import NewVersion
from tests.integration.api.harness import SPECIFICATION, Api, problem

pytest_plugins = ("tests.integration.api.fixtures",)

FIRST, SECOND, THIRD = ("a" * 64, "b" * 64, "c" * 64)


def add(api: Api, digest: str, version: str, pictures: int = 2, card: str | None = None) -> None:
    new = NewVersion(
        name="net",
        version=version,
        digest=digest,
        pack="starter",
        sha256="d" * 64,
        size=7,
        entry={"runtime": "onnx", "task": "subject", "licence": "MIT", "labels": {"subject": ["a", "b"]}},
        goldens={"pictures": [{}] * pictures},
        card=card,
    )
    with api.here.database.begin() as connection:
        model_versions.add(connection, new)


@pytest.fixture
def models(api: Api) -> Api:
    """Two versions of ``net``, the first of which a published pipeline names."""
    stages = [{**stage, "models": {"net": FIRST}} for stage in SPECIFICATION["stages"]]  # type: ignore[attr-defined]
    with api.here.database.begin() as connection:
        pipelines.publish(connection, {**SPECIFICATION, "stages": stages})
    add(api, FIRST, "1")
    add(api, SECOND, "2")
    return api


def settle(api: Api) -> None:
    """What control does with a request that it finds good, without the verification."""
    with api.here.database.begin() as connection:
        taken = model_promotions.take(connection, 60)
        assert taken is not None
        before = model_promotions.current(connection)["net"]
        target = taken.digest or model_promotions.before(model_promotions.history(connection, "net"))
        assert target is not None
        model_promotions.finish(connection, taken, None, "12 golden pictures")
        model_promotions.record(connection, taken, target, before)


def test_models_are_listed_with_the_version_new_scans_get(models: Api) -> None:
    [net] = models.call("GET", "/v1/models").json["items"]
    assert net == {"name": "net", "current": FIRST, "version": "1", "versions": 2}
    shown = models.call("GET", "/v1/models/net/versions").json
    assert shown["current"] == FIRST and shown["history"] == shown["requests"] == []
    assert [(each["digest"], each["current"], each["state"]) for each in shown["items"]] == [
        (SECOND, False, "registered"),
        (FIRST, True, "registered"),
    ]
    assert (shown["items"][0]["goldens"], shown["items"][0]["stored"]) == (2, False)


def test_no_models_is_an_empty_list_and_an_unknown_one_is_not_found(api: Api) -> None:
    assert api.call("GET", "/v1/models").json == {"items": []}
    for method, path, body in (
        ("GET", "/v1/models/x/versions", None),
        ("GET", "/v1/models/x/card", None),
        ("GET", "/v1/models/x/card?version=1", None),
        ("POST", "/v1/models/x/promote", {"version": "1"}),
        ("POST", "/v1/models/x/rollback", None),
    ):
        assert problem(api.call(method, path, json=body) if body else api.call(method, path)) == (404, "NOT_FOUND")


def test_a_card_is_of_the_version_new_scans_get_or_of_one_asked_for(models: Api) -> None:
    assert problem(models.call("GET", "/v1/models/net/card")) == (404, "NOT_FOUND"), "its pack brought none"
    add(models, FIRST, "1", card="# net\n\nfor **portraits**")
    add(models, SECOND, "2", card="# the second")
    add(models, FIRST, "1")
    answer = models.call("GET", "/v1/models/net/card")
    assert answer.mimetype == "text/markdown" and answer.text == "# net\n\nfor **portraits**", "a card is kept"
    for wanted in ("2", SECOND[:8]):
        assert models.call("GET", f"/v1/models/net/card?version={wanted}").text == "# the second"
    add(models, THIRD, "2")
    assert problem(models.call("GET", "/v1/models/net/card?version=2")) == (409, "AMBIGUOUS_VERSION")
    settled = models.call("POST", "/v1/models/net/promote", json={"digest": SECOND})
    assert settled.status_code == 202
    settle(models)
    assert models.call("GET", "/v1/models/net/card").text == "# the second"


def test_a_promotion_is_written_down_and_followed(models: Api) -> None:
    asked = models.call("POST", "/v1/models/net/promote", json={"version": "2", "why": "better eyes"})
    assert asked.status_code == 202 and asked.headers["Location"] == "/v1/models/net/versions"
    body = asked.json
    assert (body["state"], body["kind"], body["digest"], body["why"]) == ("asked", PROMOTE, SECOND, "better eyes")
    assert body["asked_by"].startswith("key ")
    [request] = models.call("GET", "/v1/models/net/versions").json["requests"]
    assert request == body
    assert models.call("GET", "/v1/models").json["items"][0]["current"] == FIRST, "not before control has verified it"
    settle(models)
    shown = models.call("GET", "/v1/models/net/versions").json
    assert shown["current"] == SECOND and shown["requests"][0]["state"] == "done"
    [promotion] = shown["history"]
    assert (promotion["digest"], promotion["previous"], promotion["why"]) == (SECOND, FIRST, "better eyes")


def test_a_digest_chooses_too_and_what_is_current_is_not_promoted(models: Api) -> None:
    asked = models.call("POST", "/v1/models/net/promote", json={"digest": SECOND[:8], "new_labels": True}).json
    assert (asked["digest"], asked["relabel"]) == (SECOND, True)
    current = models.call("POST", "/v1/models/net/promote", json={"version": "1"})
    assert problem(current) == (409, "ALREADY_CURRENT")
    add(models, THIRD, "2")
    assert problem(models.call("POST", "/v1/models/net/promote", json={"version": "2"})) == (409, "AMBIGUOUS_VERSION")
    assert problem(models.call("POST", "/v1/models/net/promote", json={"version": "9"})) == (404, "NOT_FOUND")


def test_a_rollback_needs_something_to_go_back_to(models: Api) -> None:
    assert problem(models.call("POST", "/v1/models/net/rollback")) == (409, "NO_EARLIER_VERSION")
    models.call("POST", "/v1/models/net/promote", json={"version": "2"})
    settle(models)
    asked = models.call("POST", "/v1/models/net/rollback", json={"why": "worse"})
    assert (asked.status_code, asked.json["kind"], asked.json["digest"]) == (202, ROLLBACK, None)
    settle(models)
    assert models.call("GET", "/v1/models").json["items"][0]["current"] == FIRST


def test_another_tenants_key_is_not_named(models: Api) -> None:
    models.call("POST", "/v1/models/net/promote", "b", json={"version": "2"})
    settle(models)
    key_of_b = models.tokens["b"].split("_")[1]
    theirs = models.call("GET", "/v1/models/net/versions", "b").json
    assert theirs["requests"][0]["asked_by"] == theirs["history"][0]["promoted_by"] == f"key {key_of_b}"
    ours = models.call("GET", "/v1/models/net/versions", "a").json
    assert ours["requests"][0]["asked_by"] == ours["history"][0]["promoted_by"] == "another tenant's key"
    assert key_of_b not in str(ours)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"version": "1", "digest": FIRST},
        {"version": 1},
        {"version": ""},
        {"version": "x" * 501},
        {"version": "2", "why": 3},
        {"version": "2", "why": "x" * 501},
        {"version": "2", "new_labels": "yes"},
        {"version": "2", "force": True},
    ],
)
def test_other_bodies_are_refused(models: Api, body: dict[str, Any]) -> None:
    assert problem(models.call("POST", "/v1/models/net/promote", json=body)) == (422, "INVALID_FIELD")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("GET", "/v1/models/net/versions"),
        ("POST", "/v1/models/net/promote"),
        ("POST", "/v1/models/net/rollback"),
    ],
)
def test_only_administrators_see_and_change_models(models: Api, method: str, path: str) -> None:
    for scope in ("scans:read", "scans:write"):
        assert problem(models.call(method, path, f"a {scope}")) == (403, "FORBIDDEN_SCOPE")
    assert problem(models.call(method, path, None)) == (401, "UNAUTHENTICATED")
