"""What the embedded servers share: a private folder held by a lock, a log, one process in the foreground below us."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from cli import processes
from cli.homes import forget_home, prepare_home
from cli.processes import ProcessError

_READY_WITHIN_S = 60.0


class Server(ABC):
    """One embedded server; a subclass says how to start it and when it is ready."""

    name: str

    def __init__(self, folder: Path, log: Path | None = None) -> None:
        self.folder = folder.absolute()
        self.log = log if log is not None else self.folder.with_name(f"{self.name}.log")
        self.process: subprocess.Popen[bytes] | None = None
        self.account = processes.system_account()
        self.home: Path | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it answers. Raises ProcessError with the end of its log."""
        home = self._prepare()
        try:
            self.process = self._launch(home)
            processes.wait_until(self._ready, self.process, self.name, self.log, _READY_WITHIN_S)
            self._complete()
        except BaseException:
            self.kill()
            self._unlock()
            raise

    @abstractmethod
    def _launch(self, home: Path) -> subprocess.Popen[bytes]:
        """Start the process, with its files in `home`."""

    def _complete(self) -> None:  # noqa: B027  most servers need nothing more
        """What is still to be done once the server answers."""

    def stop(self) -> None:
        """Stop the server and wait for its end; the data stays."""
        if self.process is not None:
            processes.stop(self.process, first=signal.SIGINT)
            self.process = None
        self._unlock()

    def kill(self) -> None:
        """SIGKILL the server's whole group, as a crash would."""
        if self.process is not None:
            processes.kill_group(self.process.pid)
            self.process.wait()
            self.process = None

    def destroy(self) -> None:
        """Stop the server and delete its data."""
        self.stop()
        forget_home(self.folder)

    def _prepare(self) -> Path:
        self.home = prepare_home(self.folder, self.account)
        if self._lock is None:
            lock = self.folder.with_name(f"{self.folder.name}.lock").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                raise ProcessError(f"another scanmill process is using {self.folder}; stop it first") from None
            self._lock = lock
        return self.home

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @abstractmethod
    def _ready(self) -> bool:
        """Whether the server answers."""


def plain_environment(home: Path) -> dict[str, str]:
    """Nothing of ours leaks into a server, and no PG* variable steers one."""
    kept = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH") if key in os.environ}
    return kept | {"HOME": str(home), "LC_ALL": "C", "TZ": "UTC"}
