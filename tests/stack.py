"""A whole Scanmill for tests: real control, worker and API processes on the embedded servers, and ways to hurt them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from pydantic import SecretStr

from cli import processes
from cli.embedded import EmbeddedPostgres, EmbeddedRedis
from cli.supervisor import child_environment, scanmill
from db import scans, tenants, views
from db.scans import NewScan
from db.session import Database
from db.settings import DatabaseSettings
from db.sql import row, rows
from pipeline.contracts import InputKind, Lane
from storage import open_storage
from storage.keys import artifact_key
from storage.settings import StorageSettings
from tests import databases

SIGNING_KEY = "a test's signing key of some length"

Servers: TypeAlias = tuple[EmbeddedPostgres, EmbeddedRedis, str]
"""PostgreSQL, Redis, and the name of a template database: the fixture ``servers``."""


class Stack:
    """Processes by verb (``control``, ``worker``, ``api``) with one environment. Close it, or use ``running``."""

    def __init__(self, folder: Path, database_url: str, redis_url: str, **settings: str) -> None:
        self.folder = folder
        self.door = held_port()
        self.port: int = self.door.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "SCANMILL_ENV": "test",
            "SCANMILL_DATABASE_URL": database_url,
            "SCANMILL_REDIS_URL": redis_url,
            "SCANMILL_STORAGE_URL": f"file://{folder}/storage",
            "SCANMILL_STORAGE_SIGNING_KEY": SIGNING_KEY,
            "SCANMILL_API_PORT": str(self.port),
            "SCANMILL_LEASE_S": "3",
            "SCANMILL_POLL_S": "0.3",
            **settings,
        }
        self.database = Database(DatabaseSettings(database_url=SecretStr(database_url)))
        self.storage = open_storage(
            StorageSettings(
                storage_url=self.environment["SCANMILL_STORAGE_URL"], storage_signing_key=SecretStr(SIGNING_KEY)
            )
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str, **settings: str) -> None:
        """Start ``scanmill <name> …``; its log lies in the folder."""
        verb = name.partition(":")[0]
        if verb == "api":
            settings["SCANMILL_API_FD"] = str(self.door.fileno())
        self.processes[name] = processes.start(
            scanmill(verb, *arguments),
            log=self.log(name),
            env=child_environment({**self.environment, **settings}),
            pass_fds=(self.door.fileno(),) if verb == "api" else (),
        )

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal a process's whole group; SIGKILL is waited for."""
        process = self.processes[name]
        os.killpg(process.pid, number)
        if number == signal.SIGKILL:
            process.wait()
            del self.processes[name]

    def close(self) -> None:
        for process in reversed(self.processes.values()):
            processes.stop(process, first=signal.SIGTERM, grace_s=15)
        self.processes.clear()
        self.door.close()
        self.database.dispose()

    def tenant(self, name: str) -> UUID:
        with self.database.begin() as connection:
            return tenants.create_tenant(connection, name)

    def key(self, tenant_id: UUID) -> str:
        with self.database.begin() as connection:
            return tenants.create_key(connection, tenant_id, "test", tenants.SCOPES)[1]

    def submit(
        self,
        tenant_id: UUID,
        content: bytes,
        *,
        system: str = "cat_face",
        lane: Lane = Lane.INTERACTIVE,
        options: Mapping[str, Any] | None = None,
    ) -> UUID:
        """Accept a scan as the API would, but without ringing: workers must find it."""
        sha256 = hashlib.sha256(content).hexdigest()
        key = artifact_key(tenant_id, sha256)
        self.storage.put(key, content, "application/octet-stream")
        new = NewScan(
            tenant_id=tenant_id,
            system=system,
            lane=lane,
            input_kind=InputKind.UPLOAD,
            input_ref=key,
            input_sha256=sha256,
            options=dict(options or {}),
        )
        with self.database.begin() as connection:
            return scans.submit(connection, new).scan_id

    def scan(self, tenant_id: UUID, scan_id: UUID) -> dict[str, Any]:
        with self.database.begin() as connection:
            found = views.get(connection, tenant_id, scan_id)
        assert found is not None
        return found

    def wait(self, tenant_id: UUID, scan_ids: list[UUID], within_s: float = 90) -> list[dict[str, Any]]:
        """Finished scans, in order."""
        until(lambda: self.unfinished(scan_ids) == 0, within_s, self.last_words)
        return [self.scan(tenant_id, scan_id) for scan_id in scan_ids]

    def unfinished(self, scan_ids: list[UUID]) -> int:
        with self.database.begin() as connection:
            found = row(
                connection,
                "SELECT count(*) AS n FROM scan WHERE id = ANY(CAST(:ids AS uuid[])) AND finished_at IS NULL",
                ids=[str(each) for each in scan_ids],
            )
        assert found is not None
        return int(found.n)

    def await_published(self, system: str = "cat_face", within_s: float = 90) -> None:
        def published() -> bool:
            with self.database.begin() as connection:
                return bool(rows(connection, "SELECT 1 FROM current_pipeline WHERE system = :s", s=system))

        until(published, within_s, self.last_words)

    def await_workers(self, count: int = 1, within_s: float = 90) -> None:
        def there() -> bool:
            with self.database.begin() as connection:
                return len(rows(connection, "SELECT 1 FROM worker")) >= count

        until(there, within_s, self.last_words)

    def last_words(self) -> str:
        return "\n".join(f"--- {p.name}\n{p.read_text()[-3000:]}" for p in sorted(self.folder.glob("*.log")))


def canonical(scan: Mapping[str, Any]) -> str:
    """A scan's report as its one spelling, to compare byte by byte."""
    return json.dumps(scan["report"], sort_keys=True)


def until(true: Callable[[], bool], within_s: float, why: Callable[[], str] = lambda: "") -> None:
    """Wait for something to become true; fails with what ``why`` tells."""
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s\n{why()}")
        time.sleep(0.05)


def held_port() -> socket.socket:
    """A socket with a free port, for an API of ours to listen on: nobody else gets it while this is open."""
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    return door


def free_port() -> int:
    """For programs that take no socket; somebody else may take it before them."""
    with held_port() as door:
        return int(door.getsockname()[1])


@contextmanager
def opened(servers: Servers, folder: Path, **settings: str) -> Iterator[Stack]:
    """A stack without processes on a fresh database and an emptied Redis, closed at the end: for a whole file of tests."""
    postgres, redis_server, template = servers
    redis_server.flush()
    with databases.fresh(postgres, template) as url, running(Stack(folder, url, redis_server.url, **settings)) as stack:
        yield stack


@contextmanager
def running(stack: Stack) -> Iterator[Stack]:
    """The stack, closed at the end of the block."""
    try:
        yield stack
    finally:
        stack.close()
