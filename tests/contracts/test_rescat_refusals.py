"""What the cat seed's calls are told when something behind the API is away, and who may call without a key."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from api.app import assemble, connect
from api.settings import ApiSettings
from tests.contracts.kennel import CALLS
from tests.integration.api.harness import Api, make_api
from tests.integration.api.pictures import jpeg

pytest_plugins = ("tests.integration.api.fixtures",)
row = pytest.mark.row


def ask(api: Api, path: str = "/api/predict", token: str | None = "a") -> TestResponse:
    data = {"file": (io.BytesIO(jpeg()), "cat.jpg")}
    return api.call("POST", path, token, data=data, headers={"Prefer": "respond-async"})


@row("S0.82")
@pytest.mark.parametrize("path", CALLS)
def test_storage_error(api: Api, storage_dir: Path, path: str) -> None:
    storage_dir.rename(storage_dir.with_name("gone"))
    storage_dir.write_text("a file where the folder should be")
    refused = ask(api, path)
    assert (refused.status_code, refused.json["error"], refused.json["code"]) == (
        503, "STORAGE_ERROR", "STORAGE_UNAVAILABLE",
    )  # fmt: skip
    assert refused.json["success"] is False and refused.headers["Retry-After"]


@row("S0.84")
def test_model_load_error(api: Api) -> None:
    with api.here.database.begin() as connection:
        connection.execute(sa.text("DELETE FROM current_pipeline"))
    refused = ask(api)
    assert (refused.status_code, refused.json["error"], refused.json["code"]) == (
        503, "MODEL_LOAD_ERROR", "MODEL_UNAVAILABLE",
    )  # fmt: skip


def test_an_open_server_needs_no_key(api_environment: dict[str, str]) -> None:
    assert ask(make_api(ApiSettings(open=True)), token=None).status_code == 202


def test_who_may_only_read_may_not_ask(api: Api) -> None:
    assert ask(api, token="a scans:read").status_code == 403


@row("S0.30", "S3.25", "S4.5")
def test_health_does_not_claim_models_that_nobody_runs(api: Api) -> None:
    told = api.call("GET", "/health", None).json
    assert (told["status"], told["models_loaded"]) == ("healthy", False)
    api.work()
    api.here.at_hand._until = 0
    assert api.call("GET", "/health", None).json["models_loaded"] is True


@row("S0.30")
def test_health_answers_without_a_database(api_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANMILL_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    here = connect(ApiSettings())
    told = Api(assemble(here), here).call("GET", "/health", None)
    assert (told.status_code, told.json["models_loaded"]) == (200, None)
