"""Health, readiness, figures, logs, pages, and the document that describes them all."""

from __future__ import annotations

import io
import json
import logging
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from api import logs
from api.app import assemble, connect
from api.openapi import template
from api.settings import ApiSettings
from pipeline.errors import PLAIN_CODES, taxonomy
from tests.integration.api.harness import Api, make_api, problem

pytest_plugins = ("tests.integration.api.fixtures",)


def figures(api: Api) -> dict[tuple[str, ...], float]:
    text = api.call("GET", "/metrics", None).get_data(as_text=True)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_ready_when_everything_is_there(api: Api) -> None:
    response = api.call("GET", "/ready", None)
    assert response.status_code == 200
    assert response.json == {
        "status": "ready",
        "checks": {"database": True, "migrations": True, "storage": True, "pipeline": True, "redis": True},
    }


@pytest.fixture
def without_database(api_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Api:
    """An app whose database is away."""
    monkeypatch.setenv("SCANMILL_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    here = connect(ApiSettings())
    return Api(assemble(here), here)


def is_not_ready(api: Api, because: str) -> None:
    response = api.call("GET", "/ready", None)
    assert (response.status_code, response.json["status"]) == (503, "not ready")
    assert response.json["checks"][because] is False
    assert api.call("GET", "/health", None).status_code == 200


def test_not_ready_without_a_database(without_database: Api) -> None:
    is_not_ready(without_database, "database")


def test_not_ready_without_storage(api: Api, storage_dir: Path) -> None:
    storage_dir.rename(storage_dir.with_name("gone"))
    storage_dir.write_text("a file where the folder should be")
    is_not_ready(api, "storage")


def test_not_ready_without_a_pipeline(api: Api) -> None:
    with api.here.database.begin() as connection:
        connection.execute(sa.text("DELETE FROM current_pipeline"))
    is_not_ready(api, "pipeline")


def test_not_ready_before_the_migrations(
    database_url: str, api_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCANMILL_DATABASE_URL", database_url)
    api = make_api()
    with api.here.database.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'older'"))
    is_not_ready(api, "migrations")
    api.here.database.dispose()


def test_redis_away_only_degrades(api_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANMILL_REDIS_URL", "redis://127.0.0.1:1/0")
    api = make_api()
    response = api.call("GET", "/ready", None)
    assert (response.status_code, response.json["status"]) == (200, "degraded")
    assert response.json["checks"]["redis"] is False


def test_figures_count_requests_submits_refusals_and_scans(api: Api) -> None:
    api.scan()
    api.submit(content=b"")
    api.call("GET", "/nowhere")
    found = figures(api)
    assert found["scanmill_api_requests_total", "POST", "/v1/scans", "202"] == 1
    assert found["scanmill_api_requests_total", "POST", "/v1/scans", "400"] == 1
    assert found["scanmill_api_requests_total", "other", "unknown", "404"] == 1
    assert found["scanmill_api_request_seconds_count", "POST", "/v1/scans"] == 2
    assert found["scanmill_api_submits_total", "accepted", "cat_face"] == 1
    assert found["scanmill_api_refusals_total", "EMPTY_FILE"] == 1
    assert found["scanmill_scans", "queued"] == 1
    assert found["scanmill_ledger_up",] == 1


def test_figures_say_when_the_ledger_is_away(without_database: Api) -> None:
    found = figures(without_database)
    assert found["scanmill_ledger_up",] == 0
    assert not [name for name in found if name[0] == "scanmill_scans"]


def test_figures_may_have_a_key_of_their_own(api_environment: dict[str, str]) -> None:
    api = make_api(ApiSettings(metrics_token=SecretStr("m" * 20)))
    assert problem(api.call("GET", "/metrics", None)) == (401, "UNAUTHENTICATED")
    assert problem(api.call("GET", "/metrics", "a")) == (401, "UNAUTHENTICATED")
    assert api.call("GET", "/metrics", "m" * 20).status_code == 200


def test_the_document_is_valid_and_names_every_route(api: Api) -> None:
    document = api.call("GET", "/openapi.json", None).json
    OpenAPIV31SpecValidator(document).validate()
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {
        (method, template(rule.rule))
        for rule in api.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }
    for methods in document["paths"].values():
        for operation in methods.values():
            named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", next(p for p, m in document["paths"].items() if m is methods)))


def test_the_pages_are_whole_and_ask_nothing_of_others(api: Api) -> None:
    page = api.call("GET", "/docs", None).get_data(as_text=True)
    for code in (*taxonomy(), *PLAIN_CODES):
        assert f'id="{code}"' in page
    for path in api.here.openapi["paths"]:
        assert path in page
    home = api.call("GET", "/", None).get_data(as_text=True)
    for text in (page, home):
        assert "<script" not in text
        assert not re.search(r"(src|href)=\"(https?:)?//", text)
        assert "{{" not in text
    assert api.call("GET", "/assets/style.css", None).mimetype == "text/css"


@pytest.fixture
def logged() -> io.StringIO:
    """What the process writes to its log, as it is written."""
    stream, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.Formatter())
    before, level = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def test_a_request_is_one_line_with_its_ids_and_no_byte_of_the_clients(api: Api, logged: io.StringIO) -> None:
    evil = "x\x1b[31m\u2028ERROR fake.jpg"
    response = api.submit(
        name="cat.jpg", headers={"X-Request-Id": "abcdefgh", "User-Agent": evil.encode("unicode_escape").decode()}
    )
    api.call("GET", "/v1/scans/%0d%0aERROR%20fake", headers={"X-Request-Id": "bad id\t"})
    api.submit(content=b"\r\nERROR fake", name=evil)
    text = logged.getvalue()
    lines = [json.loads(line) for line in text.splitlines()]
    first = lines[0]
    assert first["request_id"] == "abcdefgh" == response.headers["X-Request-Id"]
    assert (first["scan_id"], first["tenant"], first["status"]) == (response.json["id"], str(api.tenants["a"]), 202)
    assert (first["route"], first["level"]) == ("/v1/scans", "INFO")
    assert len(lines) == 3
    assert "fake" not in text
    assert "\x1b" not in text
    assert api.tokens["a"] not in text


def test_secrets_are_in_no_repr(api: Api, api_environment: dict[str, str]) -> None:
    shown = repr(api.here) + repr(ApiSettings(metrics_token=SecretStr("very-secret")))
    assert "very-secret" not in shown
    password = api_environment["SCANMILL_DATABASE_URL"].split(":")[2].split("@")[0]
    assert password not in shown
