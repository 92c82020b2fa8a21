"""`scanmill up`: the client verbs against it, doctor, what dies comes back, and nothing stays when it ends."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.client_errors import ApiError, Unreachable
from cli.main import build
from cli.processes import descendants
from cli.scan import Scan
from tests.servers.house import House, alive, bytes_of, command_line

pytestmark = pytest.mark.timeout(300)


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def run(house: House, *words: str, **settings: str) -> Result:
    """A verb in this process, with the settings of the running house."""
    return CliRunner().invoke(build(words[0]), list(words), env={**house.settings(), **settings})


@pytest.fixture(scope="module")
def house(server_folder: Path) -> Iterator[House]:
    folder = server_folder / "up"
    folder.mkdir()
    with House(folder) as running:
        yield running


@pytest.fixture(scope="module")
def cat(house: House, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "cat.png"
    path.write_bytes(bytes_of("chelsea.png"))
    return path


def test_only_the_owner_reads_the_keys(house: House) -> None:
    for name in ("run.env", "key", "signing_key"):
        assert (house.folder / name).stat().st_mode & 0o777 == 0o600


def test_submit_waits_and_its_exit_code_tells_the_end(house: House, cat: Path, tmp_path: Path) -> None:
    answered = run(house, "submit", "--wait", "--json", str(cat))
    row = json.loads(answered.stdout)
    assert (row["status"], answered.exit_code) in (("succeeded", 0), ("partial", 3))
    assert row["findings"]["left_eye"]["label"]
    coffee, text = tmp_path / "coffee.png", tmp_path / "text.jpg"
    coffee.write_bytes(bytes_of("coffee.png"))
    text.write_text("no picture at all, only words and more words")
    refused = run(house, "submit", "--wait", "--json", str(coffee), str(text), str(tmp_path / "absent.jpg"))
    rows = [json.loads(line) for line in refused.stdout.splitlines()]
    assert [(row["status"], row["code"]) for row in rows] == [
        ("rejected", "NOT_A_CAT"),
        ("refused", "UNSUPPORTED_FORMAT"),
        ("unreadable", None),
    ]
    assert refused.exit_code == 3


def test_status_shows_stages_and_findings(house: House, cat: Path) -> None:
    scan_id = json.loads(run(house, "submit", "--wait", "--json", str(cat)).stdout)["id"]
    shown = run(house, "status", scan_id)
    assert "classify_left_eye" in shown.stderr and "left_eye:" in shown.stderr and "reused" in shown.stderr
    assert json.loads(run(house, "status", scan_id, "--json").stdout)["id"] == scan_id
    unknown = run(house, "status", "01a1fdc5-1745-78f1-ad1e-179a15c89ebe", "--json")
    assert unknown.exit_code == 3 and json.loads(unknown.stdout)["code"] == "NOT_FOUND"


def test_the_client_downloads_follows_and_cancels(house: House, cat: Path) -> None:
    with house.client() as client:
        scan = client.wait(client.submit(cat).id, timeout_s=60)
        face = scan.artifact("face")
        assert face is not None and len(client.download(scan.id, face)) == face.size
        events = list(client.events(scan.id))
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        assert (events[-1].kind, events[-1].data["status"]) == ("status", scan.status)
        assert list(client.events(scan.id, after=events[-1].number)) == []
        with pytest.raises(ApiError) as late:
            client.cancel(scan.id)
        assert late.value.code == "ALREADY_FINISHED"
        again = client.submit(cat, idempotency_key="the-same")
        assert client.submit(cat, idempotency_key="the-same").id == again.id
        assert [row["system"] for row in client.pipelines()] == ["cat_face", "cataract", "skin_hair"]


def test_keys_are_made_listed_and_revoked(house: House) -> None:
    made = json.loads(
        run(house, "keys", "create", "reader", "--tenant", "other", "--scope", "scans:read", "--json").stdout
    )
    assert run(house, "status", "01a1fdc5-1745-78f1-ad1e-179a15c89ebe", SCANMILL_API_KEY=made["key"]).exit_code == 3
    picture = str(house.folder / "run.env")
    assert run(house, "submit", picture, SCANMILL_API_KEY=made["key"]).exit_code == 5
    listed = json.loads(run(house, "keys", "list", "--tenant", "other", "--json").stdout)
    assert [(key["id"], key["name"], key["scopes"]) for key in listed] == [(made["id"], "reader", ["scans:read"])]
    assert run(house, "keys", "revoke", made["id"], "--tenant", "other").exit_code == 0
    assert run(house, "keys", "revoke", made["id"], "--tenant", "other").exit_code == 1
    wrong = run(house, "status", "x", SCANMILL_API_KEY="sk_0_0")
    assert wrong.exit_code == 5 and "UNAUTHENTICATED" in wrong.stderr


def verdicts(house: House, *words: str, **settings: str) -> tuple[int, dict[str, dict[str, Any]]]:
    examined = run(house, "doctor", "--slots", "1", "--json", *words, **settings)
    return examined.exit_code, {row["check"]: row for row in map(json.loads, examined.stdout.splitlines())}


def test_doctor_finds_nothing_wrong(house: House) -> None:
    code, found = verdicts(house)
    assert {check: row["state"] for check, row in found.items()} == dict.fromkeys(
        [
            "database",
            "clock",
            "connections",
            "migrations",
            "keys",
            "pipelines",
            "redis",
            "eviction",
            "storage",
            "models",
        ],
        "ok",
    )
    assert code == 0


@pytest.mark.parametrize(
    ("settings", "check", "said"),
    [
        ({"SCANMILL_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/x"}, "database", "STORAGE_UNAVAILABLE"),
        ({"SCANMILL_REDIS_URL": "redis://127.0.0.1:9/0"}, "redis", "REDIS_UNREACHABLE"),
        ({"SCANMILL_STORAGE_URL": "file:///proc/no"}, "storage", "STORAGE_UNAVAILABLE"),
        ({"SCANMILL_MODEL_PACKS": "absent"}, "models", "UNREADABLE"),
        ({"SCANMILL_API_THREADS": "200"}, "connections", "TOO_MANY_CONNECTIONS"),
    ],
)
def test_doctor_says_what_is_wrong_and_goes_on(house: House, settings: dict[str, str], check: str, said: str) -> None:
    code, found = verdicts(house, **settings)
    assert (code, found[check]["state"], found[check]["code"]) == (1, "fail", said)
    assert found[check]["hint"] and len(found) > 4


def test_doctor_notices_a_redis_that_forgets(house: House) -> None:
    import redis

    url = house.settings()["SCANMILL_REDIS_URL"]
    with redis.Redis.from_url(url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            code, found = verdicts(house)
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert (code, found["eviction"]["code"]) == (1, "REDIS_EVICTS")


@pytest.mark.parametrize("part", ["api", "control", "worker", "postgres", "redis-server"])
def test_what_is_killed_comes_back_and_scans_go_on(house: House, cat: Path, part: str) -> None:
    mark = ("-m", "cli", part) if part in ("api", "control", "worker") else ()

    def pids() -> list[int]:
        if part == "api":
            return sorted(house.pids("-m", "gunicorn"))[:1]  # the first one is the master
        if mark:
            return house.pids(*mark)
        return [pid for pid in descendants(house.pid) if command_line(pid)[:1] and f"/{part}" in command_line(pid)[0]]

    (victim, *_) = pids()
    os.kill(victim, signal.SIGKILL)
    assert within(30, lambda: bool(pids()) and victim not in pids())
    with house.client() as client:
        found: list[Scan] = []

        def answered() -> bool:
            try:  # for a moment nobody is there, or only what is about to be ended
                found.append(client.wait(client.submit(cat, idempotency_key=f"after-{part}").id, timeout_s=60))
            except (Unreachable, ApiError):
                return False
            return True

        assert within(60, answered)
    assert found[0].status in ("succeeded", "partial")


def nothing_is_left(house: House, cat: Path, number: signal.Signals) -> None:
    """Of a house that is ended while it works on a scan."""
    assert within(30, lambda: bool(house.pids("celery") or len(descendants(house.pid)) > 8))
    everything = descendants(house.pid)
    with house.client() as client:
        client.submit(cat)
    left = house.stop(number)
    assert left == [], [command_line(pid) for pid in left]
    assert house.process is not None
    assert house.process.returncode == (-9 if number == signal.SIGKILL else 0)
    assert not any(map(alive, everything))


def test_two_at_once_have_ports_of_their_own_and_nothing_is_left_when_they_end(server_folder: Path, cat: Path) -> None:
    folders = [server_folder / name for name in ("ends_when_asked", "ends_when_killed")]
    for folder in folders:
        folder.mkdir()
    asked, killed = House(folders[0]), House(folders[1])
    with ExitStack() as ends:
        for house in (asked, killed):  # neither waits for the other
            house.start()
            ends.callback(house.stop)
        for house in (asked, killed):
            house.await_started()
        assert asked.url != killed.url
        nothing_is_left(asked, cat, signal.SIGINT)
        nothing_is_left(killed, cat, signal.SIGKILL)
    with House(folders[1]) as again, again.client() as client:  # the folder can be used again
        assert client.ready()
