"""`scanmill up` as a process of its own, for tests that need the whole house or want to break a part of it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from cli.access import open_database
from cli.client import Client
from cli.processes import descendants
from cli.supervisor import child_environment, scanmill
from db import tenants

STOPS_WITHIN_S = 60


@dataclass(frozen=True)
class Guest:
    """A tenant of a running house: what it stores, and what is reused of that, is its own."""

    url: str
    key: str
    storage: Path

    def client(self) -> Client:
        return Client(self.url, self.key)

    def say(self, *words: str, end: int = 0) -> Any:
        """`scanmill batch …` as a process; its JSON, a list of the lines."""
        environment = child_environment({"SCANMILL_API_URL": self.url, "SCANMILL_API_KEY": self.key})
        done = subprocess.run(
            [*scanmill("batch"), *words], env=environment, capture_output=True, text=True, check=False, timeout=200
        )
        assert done.returncode == end, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return [json.loads(line) for line in done.stdout.splitlines()]


class House:
    """The running service: `url`, `key`, and the process ids of its parts."""

    def __init__(self, folder: Path, *, slots: int = 1, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._slots = slots
        self._environment = {"SCANMILL_VAR": str(folder), **(environment or {})}
        self.url = ""
        self.key = ""
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        self.await_started()
        return self

    def start(self) -> None:
        """Start it without waiting; who calls this stops it."""
        argv = scanmill("up", "--json", "--port", "0", "--slots", str(self._slots))
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, text=True, env=child_environment(self._environment)
        )

    def await_started(self) -> None:
        """Return when it takes scans."""
        assert self.process is not None and self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"scanmill up did not start; see {self.folder}/log"
        said = json.loads(line)
        self.url, self.key = said["url"], said["key"]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def client(self) -> Client:
        return Client(self.url, self.key)

    def settings(self) -> dict[str, str]:
        """What `set -a; . var/run.env` gives a shell."""
        lines = (self.folder / "run.env").read_text().splitlines()
        return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}

    def guest(self, name: str) -> Guest:
        """A new tenant with a key that may do everything."""
        database = open_database(self.settings()["SCANMILL_DATABASE_URL"])
        with database.begin() as connection:
            tenant: UUID = tenants.create_tenant(connection, name)
            key = tenants.create_key(connection, tenant, "test", tenants.SCOPES)[1]
        database.dispose()
        return Guest(self.url, key, self.folder / "storage" / "t" / str(tenant))

    def pids(self, *words: str) -> list[int]:
        """Process ids below us whose command line holds all the words, as ("-m", "cli", "worker")."""
        return [pid for pid in descendants(self.pid) if set(words) <= set(command_line(pid))]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> list[int]:
        """Send a signal, wait for the end; returns what is left of all its processes (nothing, if all is well)."""
        assert self.process is not None
        if self.process.poll() is not None:
            return []
        everything = descendants(self.pid)
        self.process.send_signal(number)
        self.process.wait(STOPS_WITHIN_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        deadline = time.monotonic() + 15
        while (left := [pid for pid in everything if alive(pid)]) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left


def command_line(pid: int) -> list[str]:
    """The words of a process's command line; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def bytes_of(name: str) -> bytes:
    """A picture that comes with scikit-image, such as chelsea.png."""
    import skimage.data

    return Path(skimage.data.__file__).with_name(name).read_bytes()
