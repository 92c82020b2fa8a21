"""Webhooks over HTTP and from the command line: made, looked at, changed, tested, sent again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner

from cli.main import build
from db import webhook_work
from db.webhook_work import Tried
from tests.integration.api.harness import Api, problem
from tests.integration.api.pictures import jpeg
from tests.integration.api.server import Server

pytest_plugins = ("tests.integration.api.fixtures",)

URL = "https://hooks.example.com/in"
NEW = {"url": URL, "events": ["scan.*", "batch.finished"]}


def made(api: Api, **more: Any) -> Mapping[str, Any]:
    answer = api.call("POST", "/v1/webhooks", json={**NEW, **more})
    assert answer.status_code == 201, answer.get_data(as_text=True)
    assert answer.headers["Location"] == f"/v1/webhooks/{answer.json['id']}"
    return dict(answer.json)


def tried(api: Api, code: str | None) -> int:
    """End the attempts that are due as a sender would."""
    with api.here.database.begin() as connection:
        claims = webhook_work.claim(connection, 10, 10, 30)
        for claim in claims:
            webhook_work.finish(connection, claim, Tried(500 if code else 200, code, 12))
    return len(claims)


def ended(api: Api, shade: int) -> str:
    """A scan of a picture of its own that has ended."""
    scan = api.scan(content=jpeg(shade=shade))
    api.work()
    return scan


def test_the_secret_is_shown_once(api: Api) -> None:
    webhook = made(api, description="the lab")
    assert webhook["secret"].startswith("whsec_") and len(webhook["secret"]) == 6 + 44
    assert (webhook["enabled"], webhook["events"]) == (True, ["batch.finished", "scan.*"])
    scan = api.scan()
    api.work()
    path = f"/v1/webhooks/{webhook['id']}"
    answers = [
        api.call("GET", "/v1/webhooks"),
        api.call("GET", path),
        api.call("PATCH", path, json={"description": "another"}),
        api.call("POST", f"{path}/test"),
        api.call("GET", f"{path}/deliveries"),
    ]
    assert [each.status_code for each in answers] == [200, 200, 200, 202, 200]
    assert webhook["secret"][6:] not in "".join(each.get_data(as_text=True) for each in answers)
    assert scan in answers[-1].get_data(as_text=True)
    rotated = api.call("POST", f"{path}/rotate").json
    assert rotated["secret"] not in ("", webhook["secret"]) and rotated["old_secret_until"] is not None


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://10.0.0.1/", "URL_ADDRESS_NOT_ALLOWED"),
        ("https://169.254.169.254/latest/meta-data", "URL_ADDRESS_NOT_ALLOWED"),
        ("https://[::1]/", "URL_ADDRESS_NOT_ALLOWED"),
        ("https://printer.local/", "URL_ADDRESS_NOT_ALLOWED"),
        ("https://user:word@hooks.example.com/", "URL_CREDENTIALS_NOT_ALLOWED"),
        ("https://hooks.example.com:8443/", "URL_PORT_NOT_ALLOWED"),
        ("ftp://hooks.example.com/", "URL_SCHEME_NOT_ALLOWED"),
        ("http://hooks.example.com/", "WEBHOOK_NEEDS_HTTPS"),
        ("https://hooks.example.com/#a", "URL_INVALID"),
        ("https://0x7f000001/", "URL_INVALID"),
    ],
)
def test_an_address_that_leads_inside_or_says_too_much_is_refused(api: Api, url: str, code: str) -> None:
    assert problem(api.call("POST", "/v1/webhooks", json={**NEW, "url": url})) == (400, code)
    assert api.call("GET", "/v1/webhooks").json["items"] == []
    path = f"/v1/webhooks/{made(api)['id']}"
    assert problem(api.call("PATCH", path, json={"url": url})) == (400, code)
    assert api.call("GET", path).json["url"] == URL


def test_the_operator_may_allow_a_host_inside(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANMILL_WEBHOOK_ALLOW", "10.0.0.1:9000")
    assert made(api, url="http://10.0.0.1:9000/in")["url"] == "http://10.0.0.1:9000/in"
    assert problem(api.call("POST", "/v1/webhooks", json={**NEW, "url": "http://10.0.0.1/in"}))[0] == 400


def test_hosts_that_pictures_may_be_fetched_from_are_not_sent_to(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANMILL_URL_ALLOW", "10.0.0.1:9000")
    assert problem(api.call("POST", "/v1/webhooks", json={**NEW, "url": "https://10.0.0.1:9000/"}))[0] == 400


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": URL}, "events"),
        ({"events": ["*"]}, "url"),
        ({"url": URL, "events": []}, "events"),
        ({"url": URL, "events": ["scan.exploded"]}, "events"),
        ({"url": URL, "events": "scan.*"}, "events"),
        ({"url": URL, "events": [["*"]]}, "events"),
        ({"url": 1, "events": ["*"]}, "url"),
        ({"url": URL, "events": ["*"], "system": "x"}, "pipeline"),
        ({"url": URL, "events": ["*"], "description": "x" * 201}, "description"),
        ({"url": URL, "events": ["*"], "secret": "whsec_mine"}, "secret"),
    ],
)
def test_a_field_that_makes_no_sense_is_named(api: Api, body: dict[str, Any], field: str) -> None:
    refused = api.call("POST", "/v1/webhooks", json=body)
    assert problem(refused) == (422, "INVALID_FIELD")
    assert [each["field"] for each in refused.json["errors"]] == [field]


def test_a_webhook_is_switched_off_and_on_and_deleted(api: Api) -> None:
    webhook = made(api, system="cat_face")
    path = f"/v1/webhooks/{webhook['id']}"
    off = api.call("PATCH", path, json={"enabled": False, "events": ["scan.failed"]}).json
    assert (off["enabled"], off["events"], off["disabled_code"]) == (False, ["scan.failed"], None)
    assert problem(api.call("POST", f"{path}/test")) == (409, "WEBHOOK_DISABLED")
    assert api.call("PATCH", path, json={"enabled": True}).json["enabled"] is True
    assert problem(api.call("PATCH", path, json={"enabled": "yes"})) == (422, "INVALID_FIELD")
    assert api.call("DELETE", path).status_code == 204
    assert problem(api.call("GET", path)) == problem(api.call("DELETE", path)) == (404, "NOT_FOUND")
    assert api.call("GET", "/v1/webhooks").json["items"] == []


def test_a_tenant_has_so_many_and_no_more(api: Api) -> None:
    for _ in range(20):
        made(api)
    assert problem(api.call("POST", "/v1/webhooks", json=NEW)) == (409, "TOO_MANY_WEBHOOKS")


def test_the_log_of_deliveries_comes_in_pages_and_by_state(api: Api) -> None:
    path = f"/v1/webhooks/{made(api)['id']}/deliveries"
    scans = [ended(api, 60 * n) for n in range(3)]
    assert tried(api, None) == 3
    ended(api, 250)
    assert tried(api, "WEBHOOK_NOT_TAKEN") == 1
    first = api.call("GET", f"{path}?limit=3").json
    rest = api.call("GET", f"{path}?limit=3&cursor={first['next_cursor']}").json
    assert [len(first["items"]), len(rest["items"]), rest["next_cursor"]] == [3, 1, None]
    assert len({each["id"] for each in first["items"] + rest["items"]}) == 4
    failed = api.call("GET", f"{path}?state=failed").json["items"]
    assert [(each["attempts"], each["tries"][0]["code"]) for each in failed] == [(1, "WEBHOOK_NOT_TAKEN")]
    delivered = api.call("GET", f"{path}?state=delivered").json["items"]
    assert {each["data"]["id"] for each in delivered} == set(scans)
    assert delivered[0]["tries"][0]["duration_ms"] == 12
    for query in ("state=lost", "limit=0", "cursor=x", "page=1"):
        assert problem(api.call("GET", f"{path}?{query}")) == (422, "INVALID_FIELD")
    again = api.call("POST", f"{path}/{failed[0]['id']}/redeliver")
    assert (again.status_code, again.json["state"], again.json["id"]) == (202, "waiting", failed[0]["id"])
    assert tried(api, None) == 1


def test_figures_of_webhooks_are_served(api: Api) -> None:
    made(api)
    for shade in (10, 200):
        ended(api, shade)
    with api.here.database.begin() as connection:
        (claim,) = webhook_work.claim(connection, 1, 1, 30)
        webhook_work.finish(connection, claim, Tried(200, None, 1))
    page = api.call("GET", "/metrics", None).get_data(as_text=True)
    assert 'scanmill_webhook_attempts_total{outcome="delivered"} 1.0' in page
    assert 'scanmill_webhook_attempts_total{outcome="failed"} 0.0' in page
    assert "scanmill_webhook_waiting_seconds 0." in page


def test_the_command_line_does_all_of_it(api: Api, server: Server) -> None:
    settings = {"SCANMILL_API_URL": server.url, "SCANMILL_API_KEY": api.tokens["a"]}

    def run(*words: str) -> Any:
        done = CliRunner().invoke(build("webhooks"), ["webhooks", *words, "--json"], env=settings)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    webhook = run("create", URL, "--event", "scan.*", "--description", "the lab")
    assert webhook["secret"].startswith("whsec_")
    assert [each["id"] for each in run("list")] == [webhook["id"]]
    assert run("update", webhook["id"], "--event", "*", "--disable")["enabled"] is False
    assert run("update", webhook["id"], "--enable")["events"] == ["*"]
    assert run("rotate", webhook["id"])["secret"] != webhook["secret"]
    ping = run("test", webhook["id"])
    assert (ping["type"], UUID(ping["id"]).version) == ("webhook.test", 7)
    tried(api, "WEBHOOK_NOT_TAKEN")
    assert [each["id"] for each in run("deliveries", webhook["id"], "--state", "failed")] == [ping["id"]]
    assert run("redeliver", webhook["id"], ping["id"])["state"] == "waiting"
    assert run("show", webhook["id"])["failures"] == 1
    assert run("delete", webhook["id"]) == {"id": webhook["id"], "deleted": True}
    plain = CliRunner().invoke(build("webhooks"), ["webhooks", "create", URL], env=settings)
    assert plain.stdout.startswith("whsec_") and plain.stdout.count("\n") == 1, "a shell can take it"
    reader = {**settings, "SCANMILL_API_KEY": api.tokens["a scans:read"]}
    assert CliRunner().invoke(build("webhooks"), ["webhooks", "list"], env=reader).exit_code == 5
    assert CliRunner().invoke(build("webhooks"), ["webhooks", "update", webhook["id"]], env=settings).exit_code == 2
