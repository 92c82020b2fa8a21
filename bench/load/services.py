"""The services that are measured in turn: ours as ``scanmill up`` starts it, and others that serve the same models."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench.house import House, cpu_below, house
from cli import processes
from cli.supervisor import child_environment
from db.sql import row

START_S = 120.0
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Service:
    """A service that answers: where, with which key, what it has cost so far, and what its ledger says."""

    url: str
    key: str | None
    cpu_seconds: Callable[[], Mapping[str, float]]
    scans: Callable[[], Mapping[str, Any] | None] = field(default=lambda: None)


@contextmanager
def scanmill(settings: Mapping[str, str]) -> Iterator[Service]:
    """Ours, two slots. Both models answer for every picture, as they do behind Ray."""
    with house(slots=2, settings={"SCANMILL_CATARACT_POLICY": "ensemble", **settings}) as place:
        yield Service(
            place.service.url,
            place.service.key,
            place.cpu_seconds,
            lambda: _ledger(place),
        )


def _ledger(place: House) -> Mapping[str, Any]:
    """Scans, those that have not ended, and requests that made one."""
    with place.database.begin() as connection:
        found = row(
            connection,
            """SELECT count(*) AS scans, count(*) FILTER (WHERE finished_at IS NULL) AS open,
                      (SELECT count(*) FROM idempotency_key) AS keys
               FROM scan""",
        )
    assert found is not None
    return {"scans": found.scans, "open": found.open, "keys": found.keys}


@contextmanager
def plain(way: str) -> Iterator[Service]:
    """The seed's first API (``bench.load.plain_way``)."""
    port = _free_port()
    command = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-w", "1", "--threads", "128"]
    with _running([*command, f"bench.load.plain_way:create('{way}')"], {}, port) as service:
        yield service


@contextmanager
def ray(python: Path, shape: str) -> Iterator[Service]:
    """Ray Serve (``bench.load.ray_way``), by the interpreter of an environment that has it."""
    port = _free_port()
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    command = [str(python), "-m", "bench.load.ray_way", "--port", str(port), "--shape", shape]
    with _running(command, quiet, port) as service:
        yield service


@contextmanager
def _running(command: list[str], settings: Mapping[str, str], port: int) -> Iterator[Service]:
    before = set(processes.descendants(os.getpid()))
    url = f"http://127.0.0.1:{port}"
    with processes.adopting_orphans(), tempfile.TemporaryDirectory(prefix="scanmill-bench-") as folder:
        log = Path(folder) / "log"
        process = processes.start(command, log=log, env=child_environment(settings), cwd=ROOT)
        try:
            processes.wait_until(lambda: _answers(url), process, command[2], log, START_S)
            yield Service(url, None, cpu_below)
        finally:
            processes.stop(process, grace_s=20)
            processes.end_descendants(spare=before)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2).is_success
    except httpx.TransportError:
        return False
