"""`scanmill batch export` against a served API: two files whose lines add up, and the files of each line in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.verbs.batch import app
from tests.integration.api.harness import Api, stored_file
from tests.integration.api.server import Server
from tests.integration.api.test_batch_exports import done, names, spoil  # noqa: F401  the fixture by its name
from tests.integration.api.test_batches import opened, say, turn, upload

pytest_plugins = ("tests.integration.api.fixtures",)
Say = Callable[..., tuple[int, Any]]


@pytest.fixture
def export(api: Api, own_server: Server, monkeypatch: pytest.MonkeyPatch) -> Say:
    """Runs the verb; its exit code and what it said as JSON."""
    own_server.start()
    monkeypatch.setenv("SCANMILL_API_URL", own_server.url)
    monkeypatch.setenv("SCANMILL_API_KEY", api.tokens["a"])

    def run(batch: str, *words: str) -> tuple[int, Any]:
        ended = CliRunner().invoke(app, ["export", batch, *words, "--json"])
        return ended.exit_code, json.loads(ended.stdout.splitlines()[-1])

    return run


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_results_and_errors_add_up_to_the_batch(done: str, export: Say, tmp_path: Path, form: str) -> None:  # noqa: F811
    good, bad = tmp_path / f"good.{form}", tmp_path / f"bad.{form}"
    end, told = export(done, "--format", form, "--out", str(good), "--errors", str(bad))
    assert (end, told["lines"]["lines"], told["lines"]["errors"], told["lines"]["items"]) == (0, 1, 2, 3)
    assert told["lines"]["snapshot"] is False
    assert names(form, good.read_bytes()) == ["ok.jpg"]
    assert names(form, bad.read_bytes()) == ["torn.jpg", "bad.jpg"]
    assert export(done, "--format", form, "--out", str(good))[1]["lines"]["lines"] == 3


def test_lines_that_are_missing_are_told_by_the_exit_code(api: Api, done: str, export: Say, tmp_path: Path) -> None:  # noqa: F811
    with api.here.database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM batch_item WHERE custom_id = 'ok.jpg'")
    end, told = export(done, "--out", str(tmp_path / "a"), "--errors", str(tmp_path / "b"))
    assert (end, told["lines"]["lines"], told["lines"]["errors"], told["lines"]["items"]) == (1, 0, 2, 3)


def test_a_batch_under_way_gives_a_snapshot_and_says_so(api: Api, export: Say, tmp_path: Path) -> None:
    batch = opened(api)
    upload(api, batch, "a.jpg")
    upload(api, batch, "b.jpg", b"no picture")
    end, told = export(batch, "--out", str(tmp_path / "a"), "--errors", str(tmp_path / "b"))
    assert (end, told["lines"]["lines"], told["lines"]["errors"], told["lines"]["items"]) == (0, 0, 1, 2)
    assert (told["lines"]["snapshot"], told["lines"]["state"]) == (True, "open")


def test_files_come_into_folders_once(api: Api, export: Say, tmp_path: Path) -> None:
    batch = opened(api)
    for name in ("more/cat.jpg", "more/cat.png", "../../out.jpg", "torn.jpg"):
        upload(api, batch, "x.jpg", b"no picture" if name == "torn.jpg" else None, custom_id=name)
    say(api, batch, "finalise")
    turn(api)
    top = tmp_path / "in" / "here"
    end, told = export(batch, "--artifacts", str(top), "--artifact", "preview")
    assert (end, told["artifacts"]["files"], told["lines"]) == (0, {"written": 3}, None)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file() and path.is_relative_to(tmp_path / "in"))
    assert len(files) == 3 and all(path.is_relative_to(top) and path.read_bytes() == b"preview" for path in files)
    assert (top / "more" / "cat" / "preview.jpg") in files

    files[0].write_bytes(b"previeX")
    files[1].unlink()
    end, told = export(batch, "--artifacts", str(top))
    assert (end, told["artifacts"]["files"]) == (0, {"replaced": 1, "written": 1, "present": 1})
    assert all(path.read_bytes() == b"preview" for path in files)
    assert export(batch, "--artifacts", str(top), "--artifact", "cutout")[1]["artifacts"]["files"] == {}


def test_files_that_are_gone_or_not_what_they_were_are_told(api: Api, done: str, export: Say, tmp_path: Path) -> None:  # noqa: F811
    top = tmp_path / "files"
    (top / "ok").parent.mkdir()
    (top / "ok").symlink_to(tmp_path)
    end, told = export(done, "--artifacts", str(top))
    assert (end, told["artifacts"]["files"]) == (1, {"written": 1, "broken": 1})
    assert not (tmp_path / "preview.jpg").exists()

    key = next(path for path in Path(api.here.storage._root).rglob("*") if path.is_file() and path.read_bytes() == b"preview")  # fmt: skip  # type: ignore[attr-defined]
    key.write_bytes(b"other bytes")
    (top / "ok").unlink()
    (top / "bad" / "preview.jpg").unlink()
    end, told = export(done, "--artifacts", str(top))
    assert end == 1 and told["artifacts"]["files"] == {"broken": 2}

    stored_file(api.here, api.tenants["a"], b"preview")
    with api.here.database.begin() as connection:
        connection.exec_driver_sql("UPDATE artifact SET expired_at = clock_timestamp()")
    end, told = export(done, "--artifacts", str(top))
    assert (end, told["artifacts"]["files"]) == (3, {"expired": 2})
