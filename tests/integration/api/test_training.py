"""Trainings over HTTP: administrators ask, look, cancel and go on; nothing here trains."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from db import training_runs, training_work
from db.training_work import End, TrainingClaim
from storage.keys import training_key
from tests.integration.api.harness import Api, make_api, problem

pytest_plugins = ("tests.integration.api.fixtures",)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "open"
    (folder / "cats").mkdir(parents=True)
    return folder


@pytest.fixture
def school(api_environment: dict[str, str], root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """An API that opens one folder, and that a trainer has told of its recipes."""
    monkeypatch.setenv("SCANMILL_TRAINING_ROOTS", f'["{root}"]')
    made = make_api()
    with made.here.database.begin() as connection:
        training_runs.announce(connection, {"landmarks": "Six points.", "areas": "Five heads."})
    yield made
    made.here.doorbell.close()
    made.here.database.dispose()


def body(root: Path, recipe: str = "landmarks", **parameters: Any) -> dict[str, Any]:
    return {"recipe": recipe, "parameters": {"data": f"{root}/cats", **parameters}}


def submit(api: Api, root: Path, token: str = "a", **parameters: Any) -> str:
    answer = api.call("POST", "/v1/training", token, json=body(root, **parameters))
    assert answer.status_code == 202, answer.get_data(as_text=True)
    return str(answer.json["id"])


def claim(api: Api) -> TrainingClaim:
    with api.here.database.begin() as connection:
        found = training_work.claim(connection, uuid.uuid4(), ["landmarks", "areas"], 60)
    assert found is not None
    return found


def finish(api: Api, held: TrainingClaim, end: End) -> None:
    with api.here.database.begin() as connection:
        training_work.finish(connection, held, end)


def test_recipes_are_what_trainers_announced(school: Api) -> None:
    items = school.call("GET", "/v1/training/recipes").json["items"]
    assert [(each["name"], each["about"]) for each in items] == [
        ("areas", "Five heads."),
        ("landmarks", "Six points."),
    ]


def test_a_training_is_written_down_rung_for_and_followed(school: Api, root: Path, redis_url: str) -> None:
    answer = school.call("POST", "/v1/training", json=body(root, scale=0.1, minutes=5, seed=1, budget="cpu"))
    made = answer.json
    assert answer.status_code == 202 and answer.headers["Location"] == f"/v1/training/{made['id']}"
    assert (made["state"], made["attempts"], made["checkpoint"], made["files"]) == ("queued", 0, False, [])
    assert made["parameters"] == {"data": f"{root}/cats", "scale": 0.1, "minutes": 5, "seed": 1, "budget": "cpu"}
    school.here.doorbell.close()
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("train") == 1 and made["id"].encode() not in b"".join(client.keys())
    held = claim(school)
    with school.here.database.begin() as connection:
        training_work.beat(connection, held, {"state": "training", "step": 4, "steps": 9, "eta_s": 2.5}, 60)
    shown = school.call("GET", f"/v1/training/{made['id']}").json
    assert shown["state"] == "running" and shown["progress"]["eta_s"] == 2.5
    assert school.call("GET", "/v1/training?state=running").json["items"] == [shown]
    assert school.call("GET", "/v1/training?state=queued&limit=1").json == {"items": []}


def test_what_it_left_is_listed_and_fetched(school: Api, root: Path) -> None:
    asked, held = submit(school, root), claim(school)
    content = b"weights"
    sha256 = hashlib.sha256(content).hexdigest()
    school.here.storage.put(training_key(school.tenants["a"], sha256), content, "application/octet-stream")
    version = {"name": "cat_landmarks", "version": "1+x", "digest": "a" * 64}
    finish(school, held, End("succeeded", files={"w.h5": {"sha256": sha256, "size": 7}}, versions=[version]))
    shown = school.call("GET", f"/v1/training/{asked}").json
    assert shown["files"] == [{"name": "w.h5", "sha256": sha256, "size": 7}] and shown["versions"] == [version]
    link = school.call("GET", f"/v1/training/{asked}/files/w.h5")
    assert link.status_code == 302
    assert school.call("GET", link.headers["Location"], None).get_data() == content
    for path, token in ((f"{asked}/files/other", "a"), (f"{asked}/files/w.h5", "b"), ("x/files/w.h5", "a")):
        assert problem(school.call("GET", f"/v1/training/{path}", token)) == (404, "NOT_FOUND")


def test_a_repeated_key_gives_the_same_training(school: Api, root: Path) -> None:
    key = {"Idempotency-Key": "once"}
    first = school.call("POST", "/v1/training", json=body(root), headers=key)
    again = school.call("POST", "/v1/training", json=body(root), headers=key)
    assert (first.status_code, again.status_code) == (202, 200) and first.json["id"] == again.json["id"]
    other = school.call("POST", "/v1/training", json=body(root, seed=2), headers=key)
    assert problem(other) == (409, "IDEMPOTENCY_CONFLICT")


def test_cancel_and_resume(school: Api, root: Path) -> None:
    asked = submit(school, root)
    assert problem(school.call("POST", f"/v1/training/{asked}/resume")) == (409, "NOT_FINISHED")
    cancelled = school.call("POST", f"/v1/training/{asked}/cancel").json
    assert (cancelled["state"], cancelled["code"]) == ("cancelled", "CANCELLED")
    resumed = school.call("POST", f"/v1/training/{asked}/resume")
    assert resumed.status_code == 202 and resumed.json["resumed_from"] == asked
    assert resumed.headers["Location"] == f"/v1/training/{resumed.json['id']}"
    twice = school.call("POST", f"/v1/training/{asked}/resume")
    assert twice.status_code == 200 and twice.json["id"] == resumed.json["id"]
    finish(school, claim(school), End("succeeded"))
    for verb in ("cancel", "resume"):
        late = school.call("POST", f"/v1/training/{resumed.json['id']}/{verb}")
        assert problem(late) == (409, "ALREADY_FINISHED")


def test_a_training_may_begin_with_what_another_left(school: Api, root: Path) -> None:
    asked = submit(school, root)
    refused = school.call("POST", "/v1/training", json=body(root, after=asked, again=True))
    assert problem(refused) == (422, "INVALID_FIELD")
    finish(school, claim(school), End("succeeded"))
    assert school.call("POST", "/v1/training", json=body(root, after=asked, again=True)).status_code == 202
    assert problem(school.call("POST", "/v1/training", "b", json=body(root, after=asked))) == (422, "INVALID_FIELD")


@pytest.mark.parametrize(
    "data",
    ["/etc", "{root}/../other", "{root}/cats/../../x", "cats", "../open/cats", "", "{root}x", "{root}//cats",
     "{root}/./cats", "{root}/cats\\x", "{root}/a\u202eb", "{root}/out"],
)  # fmt: skip
def test_no_path_leads_out_of_the_roots(school: Api, root: Path, data: str) -> None:
    (root / "out").symlink_to("/etc")
    for name in ("data", "teacher", "start"):
        parameters = {"data": f"{root}/cats", name: data.format(root=root)}
        answer = school.call("POST", "/v1/training", json={"recipe": "landmarks", "parameters": parameters})
        assert problem(answer) == (400, "PATH_NOT_ALLOWED"), name
        assert answer.json["errors"][0]["field"] == f"parameters.{name}"
    assert school.call("GET", "/v1/training").json == {"items": []}


def test_a_folder_that_this_host_lacks_is_the_trainers_to_judge(school: Api, root: Path) -> None:
    asked = school.call("POST", "/v1/training", json=body(root, teacher=f"{root}/elsewhere"))
    assert asked.status_code == 202


def test_without_roots_no_folder_is_open(api: Api, root: Path) -> None:
    with api.here.database.begin() as connection:
        training_runs.announce(connection, {"landmarks": "Six points."})
    assert problem(api.call("POST", "/v1/training", json=body(root))) == (400, "PATH_NOT_ALLOWED")


def test_an_unknown_recipe_and_no_trainer_at_all(school: Api, root: Path) -> None:
    assert problem(school.call("POST", "/v1/training", json=body(root, "nothing"))) == (422, "UNKNOWN_RECIPE")
    with school.here.database.begin() as connection:
        from db.sql import run

        run(connection, "DELETE FROM training_recipe")
    assert problem(school.call("POST", "/v1/training", json=body(root))) == (503, "TRAINING_UNAVAILABLE")


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": 0}, {"scale": "1"}, {"scale": True}, {"minutes": -1}, {"minutes": 1e9}, {"seed": 1.5}, {"seed": -1},
        {"budget": "tpu"}, {"again": 1}, {"again": True}, {"again": True, "train_only": True}, {"after": "x"},
        {"after": 3}, {"threads": 9}, {"out": "/tmp"}, {"data": 3},
    ],
    ids=str,
)  # fmt: skip
def test_other_parameters_are_refused(school: Api, root: Path, wrong: dict[str, Any]) -> None:
    assert problem(school.call("POST", "/v1/training", json=body(root, **wrong))) == (422, "INVALID_FIELD")


@pytest.mark.parametrize(
    "wrong", [{}, {"recipe": "landmarks"}, {"recipe": 1, "parameters": {}}, {"recipe": "landmarks", "parameters": []},
              {"recipe": "landmarks", "parameters": {}}, {"recipe": "landmarks", "parameters": {}, "more": 1}], ids=str,
)  # fmt: skip
def test_other_bodies_are_refused(school: Api, wrong: dict[str, Any]) -> None:
    assert problem(school.call("POST", "/v1/training", json=wrong)) == (422, "INVALID_FIELD")


@pytest.mark.parametrize("query", ["state=done", "limit=0", "limit=x", "cursor=1"])
def test_other_queries_are_refused(school: Api, query: str) -> None:
    assert problem(school.call("GET", f"/v1/training?{query}")) == (422, "INVALID_FIELD")


def test_only_administrators_and_only_their_own(school: Api, root: Path) -> None:
    asked = submit(school, root)
    for method, path in (
        ("GET", "/v1/training"),
        ("GET", "/v1/training/recipes"),
        ("POST", "/v1/training"),
        ("GET", f"/v1/training/{asked}"),
        ("POST", f"/v1/training/{asked}/cancel"),
        ("POST", f"/v1/training/{asked}/resume"),
    ):
        for scope in ("scans:read", "scans:write"):
            assert problem(school.call(method, path, f"a {scope}")) == (403, "FORBIDDEN_SCOPE")
        assert problem(school.call(method, path, None)) == (401, "UNAUTHENTICATED")
    for method, path in (("GET", asked), ("POST", f"{asked}/cancel"), ("POST", f"{asked}/resume"), ("GET", "no-id")):
        assert problem(school.call(method, f"/v1/training/{path}", "b")) == (404, "NOT_FOUND")
    assert school.call("GET", "/v1/training", "b").json == {"items": []}


def test_trainings_are_counted_for_prometheus(school: Api, root: Path) -> None:
    submit(school, root)
    page = school.call("GET", "/metrics", None).get_data(as_text=True)
    assert 'scanmill_training_runs{state="queued"} 1.0' in page and 'scanmill_training_runs{state="failed"} 0.0' in page
