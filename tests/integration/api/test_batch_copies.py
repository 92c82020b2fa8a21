"""A batch's files copied below a prefix of the tenant's own objects: once, page by page, and nowhere else."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from typer.testing import CliRunner

from api import batch_copies
from cli.verbs.batch import app
from storage.keys import object_key
from tests.integration.api.harness import Api, problem
from tests.integration.api.server import Server
from tests.integration.api.test_batches import opened, say, turn, upload

pytest_plugins = ("tests.integration.api.fixtures",)


def scanned(api: Api, *names: str) -> str:
    batch = opened(api)
    for name in names:
        upload(api, batch, "x.jpg", custom_id=name)
    say(api, batch, "finalise")
    turn(api)
    return batch


def copied(api: Api, batch: str, **body: Any) -> dict[str, Any]:
    answer = api.call("POST", f"/v1/batches/{batch}/artifacts", json={"prefix": "out", **body})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    found: dict[str, Any] = answer.json
    return found


def files(api: Api, batch: str) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = api.call("GET", f"/v1/batches/{batch}/artifacts").json["items"]
    return [{**file, "custom_id": line["custom_id"]} for line in lines for file in line["artifacts"]]


def test_every_file_lies_under_its_line_with_its_bytes_and_a_repeat_writes_nothing(api: Api) -> None:
    batch = scanned(api, "a.jpg", "more/b.jpg")
    wanted = files(api, batch)
    told = copied(api, batch)
    assert (told["copied"], told["present"], told["next_cursor"]) == (len(wanted), 0, None) and wanted
    for file in wanted:
        suffix = {"image/png": "png", "image/jpeg": "jpg"}.get(file["media_type"], "bin")
        key = object_key(api.tenants["a"], f"out/{file['custom_id']}/{file['name']}.{suffix}")
        assert hashlib.sha256(api.here.storage.get(key)).hexdigest() == file["sha256"]
    again = copied(api, batch)
    assert (again["copied"], again["present"]) == (0, len(wanted))


def test_pages_cover_every_line_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = scanned(api, *(f"{number}.jpg" for number in range(5)))
    monkeypatch.setattr(batch_copies, "PAGE", 2)
    cursor, lines, seen = None, [], 0
    while not lines or cursor:
        told = copied(api, batch, cursor=cursor)
        cursor, seen = told["next_cursor"], seen + told["copied"]
        lines.append(told["lines"])
    assert lines == [2, 2, 1] and seen == len(files(api, batch))


def test_only_the_names_that_were_asked_for(api: Api) -> None:
    batch = scanned(api, "a.jpg")
    name = files(api, batch)[0]["name"]
    assert copied(api, batch, names=[name])["copied"] == 1
    assert copied(api, batch, names=["nothing"])["copied"] == 0


@pytest.mark.parametrize("custom_id", ["../../out.jpg", "/etc/passwd", "a/./b.jpg", "x" * 500])
def test_a_custom_id_leads_nowhere_else(api: Api, custom_id: str) -> None:
    key = batch_copies.place_of(api.tenants["a"], "out", custom_id, "preview", "image/jpeg")
    assert key == object_key(api.tenants["a"], f"out/{hashlib.sha256(custom_id.encode()).hexdigest()[:32]}/preview.jpg")


@pytest.mark.parametrize("body", [
    {}, {"prefix": ""}, {"prefix": "out", "names": "preview"}, {"prefix": "out", "names": ["../x"]},
    {"prefix": "out", "cursor": "-1"}, {"prefix": "out", "more": 1},
])  # fmt: skip
def test_what_makes_no_sense_is_refused(api: Api, body: dict[str, Any]) -> None:
    batch = scanned(api, "a.jpg")
    refused = api.call("POST", f"/v1/batches/{batch}/artifacts", json=body)
    assert problem(refused) == (422, "INVALID_FIELD")


@pytest.mark.parametrize("prefix", ["../b", "/abs", "~root", "a//b"])
def test_a_prefix_stays_below_the_tenants_own_objects(api: Api, prefix: str) -> None:
    batch = scanned(api, "a.jpg")
    refused = api.call("POST", f"/v1/batches/{batch}/artifacts", json={"prefix": prefix})
    assert problem(refused) == (400, "PATH_NOT_ALLOWED")


def test_the_verb_copies_until_nothing_is_left(api: Api, own_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = scanned(api, *(f"{number}.jpg" for number in range(23)))
    own_server.start()
    monkeypatch.setenv("SCANMILL_API_URL", own_server.url)
    monkeypatch.setenv("SCANMILL_API_KEY", api.tokens["a"])
    ended = CliRunner().invoke(app, ["export", batch, "--artifacts", "prefix:out/all", "--json"])
    assert ended.exit_code == 0, ended.output
    assert f'"copied":{len(files(api, batch))}' in ended.output.replace(" ", "")
