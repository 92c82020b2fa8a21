"""The whole service on this machine: embedded servers, migration, a first key, then control, workers and API."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from types import FrameType

from api.scanpack.signing import new_key
from cli import processes
from cli.access import key_for_tenant
from cli.client import Client
from cli.embedded import EmbeddedServers
from cli.processes import ProcessError
from cli.supervisor import Program, Supervisor, run_once, scanmill

DEFAULT_PORT = 8080
_READY_WITHIN_S = 90.0
_MOST_SLOTS = 4


@dataclass(frozen=True, slots=True)
class Options:
    """How to run: port 0 takes 8080 or, when that is taken, any free one; `fresh` forgets what an earlier run stored.

    `train` adds one slot that trains.
    """

    var: Path
    tenant: str
    port: int = 0
    slots: int = 0
    fresh: bool = False
    train: bool = False


class LocalService:
    """Everything below one folder. Call `tick` a few times a second from the main thread while it runs."""

    def __init__(self, options: Options, tell: Callable[[str], None]) -> None:
        self.var = options.var.resolve()
        self.logs = self.var / "log"
        self._options = options
        self.tell = tell
        self._servers = EmbeddedServers(self.var)
        self._supervisor: Supervisor | None = None
        self._door: socket.socket | None = None
        self.url = ""
        self.key = ""
        self.environment: dict[str, str] = {}

    def start(self) -> None:
        """Start everything and wait until the service takes scans. Raises ProcessError with the log that tells why."""
        self.logs.mkdir(parents=True, exist_ok=True)
        self._door = door = listening(self._options.port)
        self.tell("starting PostgreSQL and Redis")
        self._servers.start()
        if self._options.fresh:
            self._forget()
        self.environment = self._settings(door)
        self.tell("bringing the database to the newest schema")
        run_once("migrate", ["migrate"], self.environment, self.logs)
        self.key = key_for_tenant(self.environment["SCANMILL_DATABASE_URL"], self._options.tenant, self.var / "key")
        self._write_environment()
        self.tell("starting control, workers and API")
        self._supervisor = Supervisor(self._programs(door), self.environment, self.logs, self.tell)
        self._supervisor.start()
        self._await_ready(self._supervisor)

    def pids(self) -> dict[str, int]:
        """Process ids of control, worker and API: each the leader of its group."""
        return self._supervisor.pids() if self._supervisor else {}

    def tick(self) -> None:
        """Restart whatever has died, servers included."""
        for server in (self._servers.postgres, self._servers.redis):
            if server.process is not None and server.process.poll() is not None:
                self.tell(f"{server.name} ended with status {server.process.returncode}; started again")
                server.kill()
                server.start()
        if self._supervisor is not None:
            self._supervisor.tick()
        processes.reap_orphans(self._own())

    def stop(self) -> None:
        """Stop everything in reverse order; the data stays."""
        if self._supervisor is not None:
            self._supervisor.stop()
        self._servers.stop()
        if self._door is not None:
            self._door.close()
        (self.var / "run.env").unlink(missing_ok=True)

    def _own(self) -> set[int]:
        """Process ids of our own children, who are waited for by whoever started them."""
        servers = {each.process.pid for each in (self._servers.postgres, self._servers.redis) if each.process}
        return servers | set(self.pids().values())

    def _programs(self, door: socket.socket) -> list[Program]:
        slots = self._options.slots or min(os.cpu_count() or 1, _MOST_SLOTS)
        training = ("--train", "1") if self._options.train else ()
        return [
            Program("control", scanmill("control")),
            Program("worker", scanmill("worker", "--slots", str(slots), *training, "--allow-cpu"), grace_s=15),
            Program(
                "api",
                scanmill("api"),
                grace_s=10,
                environment={"SCANMILL_API_FD": str(door.fileno())},
                pass_fds=(door.fileno(),),
            ),
        ]

    def _settings(self, door: socket.socket) -> dict[str, str]:
        port = door.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        storage = self.var / "storage"
        storage.mkdir(mode=0o700, exist_ok=True)
        return self._servers.environment() | {
            "SCANMILL_STORAGE_URL": f"file://{storage}",
            "SCANMILL_STORAGE_SIGNING_KEY": _kept_secret(self.var / "signing_key"),
            "SCANMILL_SIGNING_KEY": _signing_key(self.var / "scanpack_key.pem"),
            "SCANMILL_API_HOST": "127.0.0.1",
            "SCANMILL_API_PORT": str(port),
            "SCANMILL_API_DRAIN_S": "3",  # Ctrl-C on one's own machine should not take half a minute
            "SCANMILL_WORKER_STOP_GRACE_S": "12" if self._options.train else "5",
            "SCANMILL_TRAINING_STOP_GRACE_S": "8",
        }

    def _write_environment(self) -> None:
        """`set -a; . var/run.env` lets every other verb, and Flower, find this service."""
        values = self.environment | {"SCANMILL_API_URL": self.url, "SCANMILL_API_KEY": self.key}
        _write_private(self.var / "run.env", "".join(f"{name}={quote(value)}\n" for name, value in values.items()))

    def _forget(self) -> None:
        self._servers.postgres.recreate_database("scanmill")
        shutil.rmtree(self.var / "storage", ignore_errors=True)
        (self.var / "key").unlink(missing_ok=True)

    def _await_ready(self, supervisor: Supervisor) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        with Client(self.url, self.key, timeout_s=5) as client:
            while not (client.ready() and client.pipelines()):
                supervisor.tick()
                for name, deaths in supervisor.deaths().items():
                    if deaths >= 3:
                        raise ProcessError(f"{name} does not start; {processes.last_words(supervisor.log(name), 12)}")
                if time.monotonic() > deadline:
                    raise ProcessError(f"the service was not ready within {_READY_WITHIN_S:.0f} s; see {self.logs}")
                time.sleep(0.1)


@contextlib.contextmanager
def running(service: LocalService) -> Iterator[LocalService]:
    """Start a service, stop it whatever happens, and leave no process behind. Ctrl-C, SIGTERM and SIGHUP all end it."""
    with processes.adopting_orphans():
        before = set(processes.descendants(os.getpid()))
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        try:
            service.start()
            yield service
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # stopping is bounded; a second Ctrl-C must not break it off
            service.tell("stopping")
            service.stop()
            processes.end_descendants(spare=before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _kept_secret(path: Path) -> str:
    if not path.exists():
        _write_private(path, secrets.token_hex(32))
    return path.read_text().strip()


def _signing_key(path: Path) -> str:
    """The file of the key that signs scanpacks, made at the first start."""
    if not path.exists():
        _write_private(path, new_key())
    return str(path)


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def listening(port: int) -> socket.socket:
    """A socket that listens on 127.0.0.1: on this port, or for 0 on 8080 or any free one. Raises ProcessError.

    Whoever holds it has the port, so that of two starts at the same moment one gets another; the API is given the
    socket, and finds it again when it is restarted.
    """
    for each in (port,) if port else (DEFAULT_PORT, 0):
        with contextlib.suppress(OSError):
            return socket.create_server(("127.0.0.1", each))
    raise ProcessError(f"port {port} on 127.0.0.1 is taken")
