"""Keys: made once, shown once, revoked at once; and the open mode, for programs of this machine."""

from __future__ import annotations

import time
from typing import Any

import pytest
import sqlalchemy as sa

from api.settings import ApiSettings
from api.startup import StartRefused, check_start
from tests.integration.api.harness import Api, make_api, problem

pytest_plugins = ("tests.integration.api.fixtures",)


def test_a_key_is_made_used_listed_and_revoked(api: Api) -> None:
    made = api.call("POST", "/v1/keys", json={"name": "phone", "scopes": ["scans:read"], "expires_in_days": 30})
    assert made.status_code == 201
    token, key_id = made.json["token"], made.json["id"]
    assert api.call("GET", "/v1/scans", token).status_code == 200
    listed = {key["id"]: key for key in api.call("GET", "/v1/keys").json["items"]}
    assert listed[key_id]["name"] == "phone"
    assert listed[key_id]["expires_at"]
    assert token.split("_")[2] not in str(listed)
    assert api.call("DELETE", f"/v1/keys/{key_id}").status_code == 204
    assert problem(api.call("GET", "/v1/scans", token)) == (401, "UNAUTHENTICATED")
    assert problem(api.call("DELETE", f"/v1/keys/{key_id}")) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "", "scopes": ["admin"]},
        {"name": "x" * 101, "scopes": ["admin"]},
        {"name": 5, "scopes": ["admin"]},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": "admin"},
        {"name": "x", "scopes": ["root"]},
        {"name": "x", "scopes": [["admin"]]},
        {"name": "x", "scopes": ["admin"], "expires_in_days": 0},
        {"name": "x", "scopes": ["admin"], "expires_in_days": True},
        {"name": "x", "scopes": ["admin"], "expires_in_days": 10**9},
        {"name": "x", "scopes": ["admin"], "tenant_id": "b"},
    ],
)
def test_a_key_of_nonsense_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert problem(api.call("POST", "/v1/keys", json=body)) == (422, "INVALID_FIELD")


def test_a_key_that_ran_out_is_refused(api: Api) -> None:
    with api.here.database.begin() as connection:
        connection.execute(sa.text("UPDATE api_key SET expires_at = clock_timestamp() - interval '1 second'"))
    assert problem(api.call("GET", "/v1/scans")) == (401, "UNAUTHENTICATED")


def test_a_cached_key_that_is_revoked_here_is_refused_at_once_and_elsewhere_soon(
    api_environment: dict[str, str],
) -> None:
    here, elsewhere = make_api(ApiSettings(key_cache_s=1)), make_api(ApiSettings(key_cache_s=1))
    token = here.call("POST", "/v1/keys", json={"name": "x", "scopes": ["scans:read"]}).json["token"]
    for api in (here, elsewhere):
        assert api.call("GET", "/v1/scans", token).status_code == 200
    here.call("DELETE", f"/v1/keys/{token.split('_')[1]}")
    assert here.call("GET", "/v1/scans", token).status_code == 401
    time.sleep(1.1)
    assert elsewhere.call("GET", "/v1/scans", token).status_code == 401


def test_a_key_may_come_in_its_own_header(api: Api) -> None:
    key = {"X-API-Key": api.tokens["a"]}
    assert api.call("GET", "/v1/scans", None, headers=key).status_code == 200
    assert api.call("GET", "/v1/scans", "a", headers=key).status_code == 200
    assert api.call("GET", "/v1/scans", "b", headers=key).status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer sk_",
        "Bearer sk__x",
        "Bearer sk_a_b_c d",
        "Bearer sk_ä_b",
        "bearer x" * 99,
        "Bearer sk_a_\x00",
    ],
)
def test_a_header_of_nonsense_is_refused(api: Api, header: str) -> None:
    refused = api.call("GET", "/v1/scans", None, headers={"Authorization": header.encode().decode("latin-1")})
    assert problem(refused) == (401, "UNAUTHENTICATED")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_server_without_keys_does_not_start_unless_it_is_open(api: Api) -> None:
    check_start(api.here.settings, api.here.database)
    with api.here.database.begin() as connection:
        connection.execute(sa.text("UPDATE api_key SET revoked_at = clock_timestamp()"))
    with pytest.raises(StartRefused, match="keys create"):
        check_start(api.here.settings, api.here.database)
    check_start(ApiSettings(open=True), api.here.database)


@pytest.fixture
def open_api(api_environment: dict[str, str]) -> Api:
    return make_api(ApiSettings(open=True))


def test_open_serves_programs_of_this_machine_as_one_tenant(open_api: Api) -> None:
    scan_id = open_api.scan(None)
    assert open_api.call("GET", f"/v1/scans/{scan_id}", None).status_code == 200
    assert open_api.call("GET", "/v1/scans", None, headers={"Host": "127.0.0.1:8000"}).json["items"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8000"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "["},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "http://["},
    ],
)
def test_open_does_not_serve_web_pages_of_others(open_api: Api, headers: dict[str, str]) -> None:
    assert problem(open_api.submit(None, headers=headers)) == (401, "UNAUTHENTICATED")
