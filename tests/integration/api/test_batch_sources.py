"""Batches whose source the service lists: what is taken, what is refused, and what a client sees of the listing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from db import admission, batch_ends
from db.results import settle_followers
from pipeline.sniff import ImageLimits
from storage.keys import object_key
from tasks.settings import BatchSettings
from tasks.source_listing import SourceLister
from tests.integration.api.harness import Api, problem
from tests.integration.api.pictures import jpeg

pytest_plugins = ("tests.integration.api.fixtures",)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api_environment: dict[str, str]) -> Path:
    """An open root with a folder of two pictures and one file that is none."""
    folder = tmp_path / "open" / "cats"
    folder.mkdir(parents=True)
    for n in range(2):
        (folder / f"{n}.jpg").write_bytes(jpeg(shade=n))
    (folder / "torn.jpg").write_bytes(b"no picture")
    monkeypatch.setenv("SCANMILL_BATCH_ROOTS", f'["{folder.parent}"]')
    return folder.parent


@pytest.fixture
def api(root: Path, api: Api) -> Api:
    """The app, which knows the root."""
    return api


def opened(api: Api, source: dict[str, Any], token: str = "a", **more: Any) -> dict[str, Any]:
    response = api.call("POST", "/v1/batches", token, json={"source": source, **more})
    assert response.status_code == 201, response.get_data(as_text=True)
    found: dict[str, Any] = response.json
    return found


def shown(api: Api, batch: dict[str, Any], token: str = "a") -> dict[str, Any]:
    found: dict[str, Any] = api.call("GET", f"/v1/batches/{batch['id']}", token).json
    return found


def turn(api: Api, page: int = 200) -> None:
    """Everything that control and a worker do."""
    lister = SourceLister(api.here.database, api.here.storage, ImageLimits(), BatchSettings(page=page))
    while lister.turn():
        pass
    for _ in range(4):
        with api.here.database.begin() as connection:
            admission.admit(connection, 1_000)
        api.work()
        with api.here.database.begin() as connection:
            settle_followers(connection)
            batch_ends.finish(connection)


def test_a_folder_is_listed_and_ends(api: Api, root: Path) -> None:
    batch = opened(api, {"folder": f"{root}/cats", "glob": ["*.jpg"]}, name="cats", options={"generate_preview": False})
    assert (batch["state"], batch["items"], batch["listed"], batch["parent"]) == ("listing", 0, 0, None)
    assert batch["source"] == {"folder": f"{root}/cats", "glob": ["*.jpg"]}
    turn(api, page=1)
    found = shown(api, batch)
    counts = found["counts"]
    assert (found["state"], found["listed"], counts["succeeded"], counts["refused"]) == ("succeeded", 3, 2, 1)
    lines = api.call("GET", f"/v1/batches/{batch['id']}/items").json["items"]
    assert [(line["custom_id"], line["code"]) for line in lines] == [
        ("0.jpg", None), ("1.jpg", None), ("torn.jpg", "UNSUPPORTED_FORMAT"),
    ]  # fmt: skip
    assert all(line["sha256"] for line in lines[:2])
    again = opened(api, {"folder": f"{root}/cats", "since": batch["id"]})
    turn(api)
    assert (shown(api, again)["items"], shown(api, again)["listed"]) == (1, 3), "what was refused comes again"
    plain = api.call("POST", "/v1/batches", json={}).json
    assert (plain["source"], plain["listed"]) == (None, None)


def test_a_prefix_shows_a_tenant_its_own_objects_only(api: Api) -> None:
    for name, shade in (("a", 1), ("b", 2)):
        key = object_key(api.tenants[name], "in/cat.jpg")
        api.here.storage.put(key, jpeg(shade=shade), "image/jpeg")
    ours = opened(api, {"prefix": "in/"})
    theirs = opened(api, {"prefix": ""}, "b")
    turn(api)
    assert ours["source"] == {"prefix": "in"}
    lines = [
        api.call("GET", f"/v1/batches/{batch['id']}/items", token).json["items"]
        for batch, token in ((ours, "a"), (theirs, "b"))
    ]
    assert [[line["custom_id"] for line in each] for each in lines] == [["cat.jpg"], ["in/cat.jpg"]]
    assert lines[0][0]["sha256"] != lines[1][0]["sha256"]


def test_a_batch_that_is_listed_takes_no_items_and_can_be_held_and_ended(api: Api, root: Path) -> None:
    batch = opened(api, {"folder": f"{root}/cats"})
    item = {"items": [{"custom_id": "x", "object_key": "x.jpg"}]}
    assert problem(api.call("POST", f"/v1/batches/{batch['id']}/items", json=item)) == (409, "BATCH_CLOSED")
    assert api.call("POST", f"/v1/batches/{batch['id']}/finalise").json["state"] == "listing"
    assert api.call("POST", f"/v1/batches/{batch['id']}/pause").json["state"] == "paused"
    turn(api)
    assert shown(api, batch)["items"] == 0
    assert api.call("POST", f"/v1/batches/{batch['id']}/resume").json["state"] == "listing"
    assert problem(api.call("POST", f"/v1/batches/{batch['id']}/reprocess", json={})) == (409, "BATCH_CLOSED")
    assert api.call("POST", f"/v1/batches/{batch['id']}/cancel").json["state"] == "running"
    turn(api)
    assert (shown(api, batch)["state"], shown(api, batch)["items"]) == ("cancelled", 0)


def test_the_same_key_opens_the_same_source(api: Api, root: Path) -> None:
    same = {"Idempotency-Key": "k"}
    body = {"source": {"folder": f"{root}/cats"}}
    first = api.call("POST", "/v1/batches", json=body, headers=same)
    second = api.call("POST", "/v1/batches", json=body, headers=same)
    assert (first.status_code, second.status_code, second.json["id"]) == (201, 200, first.json["id"])
    other = {"source": {"prefix": "cats"}}
    for body in (other, {}):
        assert problem(api.call("POST", "/v1/batches", json=body, headers=same)) == (409, "IDEMPOTENCY_CONFLICT")


@pytest.mark.parametrize(
    "source",
    [
        {"folder": "/etc"},
        {"folder": "{root}/../x"},
        {"folder": "{root}/out"},
        {"folder": "{root}/cats/"},
        {"folder": "cats"},
        {"folder": "{root}s"},
        {"prefix": ".."},
        {"prefix": "../../{other}/o"},
        {"prefix": "/"},
        {"prefix": "a//b"},
        {"prefix": "~/x"},
    ],
    ids=str,
)
def test_a_place_that_is_not_open_is_not_allowed(api: Api, root: Path, source: dict[str, str]) -> None:
    (root / "out").symlink_to(root.parent)
    given = {name: value.format(root=root, other=api.tenants["b"]) for name, value in source.items()}
    response = api.call("POST", "/v1/batches", json={"source": given})
    assert problem(response) == (400, "PATH_NOT_ALLOWED")
    assert response.json["errors"][0]["field"] == f"source.{next(iter(source))}"


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ("cats", "source"),
        ({}, "source"),
        ({"prefix": "a", "folder": "/b"}, "source"),
        ({"prefix": 3}, "source.prefix"),
        ({"prefix": "a\u0001"}, "source"),
        ({"folder": ""}, "source.folder"),
        ({"prefix": "a", "recursive": True}, "source.recursive"),
        ({"prefix": "a", "glob": []}, "source.glob"),
        ({"prefix": "a", "glob": "*.jpg"}, "source.glob"),
        ({"prefix": "a", "glob": ["x" * 201]}, "source.glob"),
        ({"prefix": "a", "glob": ["*"] * 21}, "source.glob"),
        ({"prefix": "a", "since": "yesterday"}, "source.since"),
        ({"prefix": "a", "since": "0190a5de-0000-7000-8000-00000000dead"}, "source.since"),
    ],
    ids=str,
)
def test_a_source_that_makes_no_sense_is_refused_by_name(api: Api, source: Any, field: str) -> None:
    response = api.call("POST", "/v1/batches", json={"source": source})
    assert (problem(response), response.json["errors"][0]["field"]) == ((422, "INVALID_FIELD"), field)


def test_since_another_tenants_batch_is_refused(api: Api) -> None:
    theirs = api.call("POST", "/v1/batches", "b", json={}).json
    response = api.call("POST", "/v1/batches", json={"source": {"prefix": "a", "since": theirs["id"]}})
    assert (problem(response), response.json["errors"][0]["field"]) == ((422, "INVALID_FIELD"), "source.since")


def test_without_a_root_no_folder_is_open(api_environment: dict[str, str], api: Api) -> None:
    api.here.batches.roots.clear()
    assert problem(api.call("POST", "/v1/batches", json={"source": {"folder": "/tmp"}})) == (400, "PATH_NOT_ALLOWED")
