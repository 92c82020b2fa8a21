"""Verbs that work on the servers themselves, from an empty database on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import build


@pytest.fixture
def settings(empty_database_url: str, redis_url: str, storage_dir: Path) -> dict[str, str]:
    return {
        "SCANMILL_DATABASE_URL": empty_database_url,
        "SCANMILL_REDIS_URL": redis_url,
        "SCANMILL_STORAGE_URL": f"file://{storage_dir}",
        "SCANMILL_STORAGE_SIGNING_KEY": "a signing key of some length for a test",
    }


def run(settings: Mapping[str, str], *words: str) -> Result:
    return CliRunner().invoke(build(words[0]), list(words), env=dict(settings))


def states(examined: Result) -> dict[str, str]:
    found = [json.loads(line) for line in examined.stdout.splitlines()]
    return {row["check"]: row["state"] if row["state"] == "ok" else row["code"] for row in found}


def test_from_an_empty_database_to_a_first_key(settings: dict[str, str]) -> None:
    before = run(settings, "doctor", "--slots", "1", "--json")
    assert before.exit_code == 1
    assert states(before)["migrations"] == "MIGRATIONS_PENDING" and "keys" not in states(before)
    assert [json.loads(run(settings, "migrate", "--json").stdout)["migrated"] for _ in range(2)] == [True, False]
    refused = run(settings, "api")
    assert refused.exit_code == 2 and "scanmill keys create" in refused.stderr.replace("\n", " ")
    waiting = run(settings, "doctor", "--slots", "1", "--json")
    assert (states(waiting)["keys"], states(waiting)["pipelines"]) == ("NO_KEYS", "NO_PIPELINE")
    assert waiting.exit_code == 0, "a warning is no failure"
    made = json.loads(run(settings, "keys", "create", "first", "--json").stdout)
    assert made["key"].startswith(f"sk_{made['id']}_") and made["scopes"] == ["scans:read", "scans:write"]
    assert states(run(settings, "doctor", "--slots", "1", "--json"))["keys"] == "ok"


def test_a_key_is_printed_once_and_alone_so_that_a_shell_can_take_it(settings: dict[str, str]) -> None:
    run(settings, "migrate")
    made = run(settings, "keys", "create", "first", "--expires", "7")
    assert made.stdout.startswith("sk_") and made.stdout.count("\n") == 1
    listed = run(settings, "keys", "list", "--json").stdout
    (key,) = json.loads(listed)
    assert key["expires_at"] and made.stdout.strip().rpartition("_")[2] not in listed


def test_an_unknown_scope_is_a_usage_error(settings: dict[str, str]) -> None:
    assert run(settings, "keys", "create", "x", "--scope", "scans:all").exit_code == 2


def test_verbs_that_need_the_database_say_when_it_is_away(settings: dict[str, str]) -> None:
    away = {**settings, "SCANMILL_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/x"}
    for words in (["migrate"], ["keys", "list"]):
        failed = run(away, *words, "--json")
        assert failed.exit_code == 1 and json.loads(failed.stdout)["code"] == "STORAGE_UNAVAILABLE"


def test_workers_refuse_a_gpu_that_is_not_there_and_work_for_nobody(settings: dict[str, str]) -> None:
    absent = run(settings, "worker", "--gpus", "97")
    assert absent.exit_code == 2 and "--allow-cpu" in absent.stderr
    assert run(settings, "worker", "--slots", "0").exit_code == 2
    assert run(settings, "worker", "--gpus", "first").exit_code == 2
