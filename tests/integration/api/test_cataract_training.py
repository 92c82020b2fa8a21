"""The cataract seed's two calls that train: the same trainings as under /v1/training, by administrators only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from db import training_runs
from db.sql import run
from tests.integration.api.harness import Api, make_api, problem

pytest_plugins = ("tests.integration.api.fixtures",)

row = pytest.mark.row
CALLS = pytest.mark.parametrize(
    ("path", "model", "recipe"),
    [
        ("/train_lgbm", "lgbm", "cataract_fast"),
        ("/train_clip", "clip", "cataract_strong"),
    ],
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "open"
    (folder / "eyes").mkdir(parents=True)
    return folder


@pytest.fixture
def school(api_environment: dict[str, str], root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """An API that opens one folder, and that a trainer has told of both recipes."""
    monkeypatch.setenv("SCANMILL_TRAINING_ROOTS", f'["{root}"]')
    made = make_api()
    with made.here.database.begin() as connection:
        training_runs.announce(connection, {"cataract_fast": "Trees.", "cataract_strong": "A network."})
    yield made
    made.here.doorbell.close()
    made.here.database.dispose()


@CALLS
@row("S3.30", "S3.31", "S3.5")
def test_it_is_a_training_like_any_other(
    school: Api, root: Path, redis_url: str, path: str, model: str, recipe: str
) -> None:
    answer = school.call("POST", path, json={"data": f"{root}/eyes", "seed": 3})
    made = answer.json
    assert answer.status_code == 202 and (made["model"], made["recipe"], made["state"]) == (model, recipe, "queued")
    assert answer.headers["Location"] == f"/v1/training/{made['training_id']}"
    assert made["poll_url"].endswith(answer.headers["Location"])
    shown = school.call("GET", answer.headers["Location"]).json
    assert shown["recipe"] == recipe and shown["parameters"] == {"data": f"{root}/eyes", "seed": 3}
    assert school.call("POST", f"{answer.headers['Location']}/cancel").json["state"] == "cancelled"
    school.here.doorbell.close()
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("train") == 1, "a trainer is rung for"


@CALLS
def test_the_seeds_call_has_no_body(school: Api, root: Path, path: str, model: str, recipe: str) -> None:
    made = school.call("POST", path).json
    shown = school.call("GET", f"/v1/training/{made['training_id']}").json
    assert shown["parameters"] == {"data": str(root)}


def test_of_several_folders_one_must_be_named(api: Api, tmp_path: Path) -> None:
    with api.here.database.begin() as connection:
        training_runs.announce(connection, {"cataract_fast": "Trees."})
    for roots in ([], [tmp_path, tmp_path.parent]):
        api.here.training = api.here.training.model_copy(update={"roots": roots})
        refused = api.call("POST", "/train_lgbm")
        assert problem(refused) == (422, "INVALID_FIELD")
        assert refused.json["errors"] == [{"field": "data", "reason": "is missing"}]


def test_a_repeated_key_gives_the_same_training_by_either_address(school: Api, root: Path) -> None:
    key = {"Idempotency-Key": "once"}
    first = school.call("POST", "/train_lgbm", headers=key)
    again = school.call("POST", "/train_lgbm", headers=key)
    assert (first.status_code, again.status_code) == (202, 200) and first.json == again.json
    body: dict[str, Any] = {"recipe": "cataract_fast", "parameters": {"data": str(root)}}
    assert school.call("POST", "/v1/training", json=body, headers=key).json["id"] == first.json["training_id"]
    assert problem(school.call("POST", "/train_clip", headers=key)) == (409, "IDEMPOTENCY_CONFLICT")


@pytest.mark.parametrize("known", [{}, {"areas": "Five heads."}], ids=["no trainer", "a trainer without the recipe"])
def test_without_a_trainer_that_knows_it(school: Api, known: dict[str, str]) -> None:
    with school.here.database.begin() as connection:
        run(connection, "DELETE FROM training_recipe")
        training_runs.announce(connection, known)
    for path in ("/train_lgbm", "/train_clip"):
        assert problem(school.call("POST", path)) == (503, "TRAINING_UNAVAILABLE")


@pytest.mark.parametrize("path", ["/train_lgbm", "/train_clip"])
def test_only_administrators_and_only_what_is_known(school: Api, root: Path, path: str) -> None:
    for scope in ("scans:read", "scans:write"):
        assert problem(school.call("POST", path, f"a {scope}")) == (403, "FORBIDDEN_SCOPE")
    assert problem(school.call("POST", path, None)) == (401, "UNAUTHENTICATED")
    for body, code in (({"data": "/etc"}, (400, "PATH_NOT_ALLOWED")), ({"recipe": "areas"}, (422, "INVALID_FIELD"))):
        assert problem(school.call("POST", path, json=body)) == code
    assert problem(school.call("POST", path, data="{}")) == (415, "UNSUPPORTED_CONTENT_TYPE")
    assert school.call("GET", "/v1/training").json == {"items": []}
