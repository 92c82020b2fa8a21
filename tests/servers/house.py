"""`scanmill up` as a process of its own, for tests that need the whole house or want to break a part of it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from cli.client import Client
from cli.processes import descendants
from cli.supervisor import child_environment, scanmill

STOPS_WITHIN_S = 60


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
        argv = scanmill("up", "--json", "--port", "0", "--slots", str(self._slots))
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, text=True, env=child_environment(self._environment)
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"scanmill up did not start; see {self.folder}/log"
        said = json.loads(line)
        self.url, self.key = said["url"], said["key"]
        return self

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
